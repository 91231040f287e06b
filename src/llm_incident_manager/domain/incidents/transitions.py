"""The state table of specification §4.2, and the only place that knows it."""

from collections.abc import Mapping
from types import MappingProxyType

from llm_incident_manager.domain.vocabulary import Action, Status
from llm_incident_manager.errors import Conflict

TRANSITIONS: Mapping[tuple[Status, Action], Status] = MappingProxyType(
    {
        (Status.NEW, Action.ACKNOWLEDGE): Status.ACKNOWLEDGED,
        (Status.ACKNOWLEDGED, Action.START_WORK): Status.IN_PROGRESS,
        (Status.ESCALATED, Action.START_WORK): Status.IN_PROGRESS,
        (Status.NEW, Action.ESCALATE): Status.ESCALATED,
        (Status.ACKNOWLEDGED, Action.ESCALATE): Status.ESCALATED,
        (Status.IN_PROGRESS, Action.ESCALATE): Status.ESCALATED,
        (Status.ESCALATED, Action.DE_ESCALATE): Status.IN_PROGRESS,
        (Status.IN_PROGRESS, Action.RESOLVE): Status.RESOLVED,
        (Status.RESOLVED, Action.REOPEN): Status.IN_PROGRESS,
        (Status.CLOSED, Action.REOPEN): Status.IN_PROGRESS,
        (Status.RESOLVED, Action.CLOSE): Status.CLOSED,
    }
)

WALK_TO_RESOLVED: Mapping[Status, tuple[Action, ...]] = MappingProxyType(
    {
        Status.NEW: (Action.ACKNOWLEDGE, Action.START_WORK, Action.RESOLVE),
        Status.ACKNOWLEDGED: (Action.START_WORK, Action.RESOLVE),
        Status.ESCALATED: (Action.START_WORK, Action.RESOLVE),
        Status.IN_PROGRESS: (Action.RESOLVE,),
    }
)
"""The legal steps from each open status to RESOLVED, for ``resolve?walk=true`` and recoveries."""


class InvalidTransition(Conflict):
    """The action is not allowed in this status; ``facts`` carries ``allowed_actions``."""

    code = "invalid_transition"


def next_status(status: Status, action: Action) -> Status | None:
    """Return where ``action`` leads from ``status``, or ``None`` where §4.2 has a dash."""
    return TRANSITIONS.get((status, action))


def allowed_actions(status: Status) -> tuple[Action, ...]:
    """Return the actions allowed in ``status``, in the matrix's order."""
    return tuple(action for action in Action if (status, action) in TRANSITIONS)


def require_transition(status: Status, action: Action) -> Status:
    """Return where ``action`` leads, or raise :class:`InvalidTransition` naming what is allowed instead."""
    to = next_status(status, action)
    if to is None:
        allowed = [str(each) for each in allowed_actions(status)]
        remedy = f"allowed are: {', '.join(allowed)}" if allowed else "nothing is allowed"
        raise InvalidTransition(
            f"{action} is not allowed while the incident is {status}; {remedy}", status=status, allowed_actions=allowed
        )
    return to
