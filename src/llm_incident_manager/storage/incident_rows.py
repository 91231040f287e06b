"""From an incident to its row: what lists filter and sort by."""

from typing import Any

from llm_incident_manager.domain.incidents.incident import Incident
from llm_incident_manager.engine.matching import words
from llm_incident_manager.ids import incident_number
from llm_incident_manager.storage.facets import facets_of
from llm_incident_manager.storage.instants import micros

_DAY = 1_000_000_000


def day_number(incident_id: str) -> int | None:
    """Return yyyymmdd followed by nine digits of number, or None where the id is not of specification §5.2's form."""
    found = incident_number(incident_id)
    if found is None:
        return None
    day, number = found
    return (day.year * 10_000 + day.month * 100 + day.day) * _DAY + number


def row_of(incident: Incident, head: bytes) -> dict[str, Any]:
    """Return the incident's row; ``head`` is the digest of its newest change set."""
    return {"tenant": incident.tenant, "id": incident.id, "number": day_number(incident.id)} | changing(incident, head)


def changing(incident: Incident, head: bytes) -> dict[str, Any]:
    """Return the part of the row that later changes may alter."""
    ended_at = None if incident.is_open else incident.closed_at or incident.resolved_at or incident.updated_at
    return {
        "fingerprint": incident.fingerprint,
        "severity": incident.severity,
        "status": incident.status,
        "is_open": incident.is_open,
        "category": incident.category,
        "source": incident.source,
        "environment": incident.environment,
        "facets": facets_of(incident),
        "assigned_to": incident.assigned_to,
        "assigned_team": incident.assigned_team,
        "created_at": micros(incident.created_at),
        "updated_at": micros(incident.updated_at),
        "last_event_at": micros(incident.last_event_at or incident.created_at),
        "acknowledged_at": micros(incident.acknowledged_at),
        "resolved_at": micros(incident.resolved_at),
        "closed_at": micros(incident.closed_at),
        "ended_at": micros(ended_at),
        "acknowledgment_deadline": micros(incident.sla.acknowledgment_deadline),
        "resolution_deadline": micros(incident.sla.resolution_deadline),
        "acknowledgment_breached": incident.sla.acknowledgment_breached,
        "resolution_breached": incident.sla.resolution_breached,
        "mttd": incident.times.mttd,
        "mtta": incident.times.mtta,
        "mttr": incident.times.mttr,
        "event_count": incident.event_count,
        "ladder_state": incident.ladder.state,
        "ladder_reason": incident.ladder.reason,
        "imported": incident.imported,
        "version": incident.version,
        "revision": incident.revision,
        "head": head,
        "words": words(incident),
    }
