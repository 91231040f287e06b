"""Whether an incident still asks for somebody, read off the state table (specification §4.2) and nothing else."""

from typing import Any

from llm_incident_manager.api.dashboard.words import status_of
from llm_incident_manager.domain.incidents.transitions import next_status
from llm_incident_manager.domain.vocabulary import Action


def awaits_acknowledgment(incident: dict[str, Any]) -> bool:
    """Whether nobody has answered yet: it can be acknowledged."""
    return next_status(status_of(incident), Action.ACKNOWLEDGE) is not None


def is_escalated(incident: dict[str, Any]) -> bool:
    """Whether it stands escalated: it can be brought down again."""
    return next_status(status_of(incident), Action.DE_ESCALATE) is not None


def is_takeable(incident: dict[str, Any]) -> bool:
    """Whether a page still asks for somebody to take it: unanswered, or escalated without an owner."""
    return awaits_acknowledgment(incident) or (is_escalated(incident) and not incident.get("assigned_to"))
