"""What people and sources may do to an incident, decided against its state (RES-01, RES-02)."""

from datetime import datetime
from typing import Any

import msgspec

from llm_incident_manager.domain.incidents.changes import (
    Assigned,
    Change,
    CommentAdded,
    FieldsChanged,
    IncidentLinked,
    ResolutionRecorded,
    SeverityChanged,
    Silenced,
    SlaBreached,
    Snoozed,
    StatusChanged,
)
from llm_incident_manager.domain.incidents.incident import Actor, Incident, Link, Silencing
from llm_incident_manager.domain.incidents.transitions import (
    WALK_TO_RESOLVED,
    InvalidTransition,
    allowed_actions,
    require_transition,
)
from llm_incident_manager.domain.vocabulary import Action, ActorType, LinkKind, Severity, Status
from llm_incident_manager.errors import Conflict, FieldFault, Invalid

EDITABLE = ("title", "description", "impact", "category", "external_id", "tags", "labels", "metadata")
"""Fields that ``PATCH`` may set beside ``severity``, ``assigned_to`` and ``assigned_team``."""


class ResolutionGiven(msgspec.Struct, frozen=True, kw_only=True):
    """What may be said when resolving (specification §5.2 ``resolution``)."""

    root_cause: str | None = None
    resolution_notes: str | None = None
    playbook_used: str | None = None


def act(incident: Incident, action: Action, *, by: Actor, reason: str = "", note: str = "") -> list[Change]:
    """Return the change that ``action`` makes; raises InvalidTransition where §4.2 has a dash.

    Acknowledging and starting work assign a person who has it now, if nobody had.
    """
    to = require_transition(incident.status, action)
    changes: list[Change] = [StatusChanged(action=action, before=incident.status, after=to, reason=reason, note=note)]
    takes = action in (Action.ACKNOWLEDGE, Action.START_WORK)
    if takes and by.type is ActorType.USER and incident.assigned_to is None:
        changes.append(Assigned(user=by.id, before_user=None))
    return changes


def take(incident: Incident, *, by: Actor) -> list[Change]:
    """Return what "I have it" does (interfaces, "Take"): NEW is acknowledged, ESCALATED is started, else harmless.

    The actor is assigned; a second take by the same person changes nothing.
    """
    changes: list[Change] = []
    if incident.status is Status.NEW:
        changes += [StatusChanged(action=Action.ACKNOWLEDGE, before=incident.status, after=Status.ACKNOWLEDGED)]
    elif incident.status is Status.ESCALATED:
        changes += [StatusChanged(action=Action.START_WORK, before=incident.status, after=Status.IN_PROGRESS)]
    if incident.is_open and by.type is ActorType.USER and incident.assigned_to != by.id:
        changes.append(Assigned(user=by.id, before_user=incident.assigned_to))
    return changes


def resolve(incident: Incident, *, by: Actor, given: ResolutionGiven, walk: bool) -> list[Change]:
    """Return the steps to RESOLVED: one, or with ``walk`` all the legal ones before it too."""
    steps = WALK_TO_RESOLVED.get(incident.status, ())
    if not steps or (len(steps) > 1 and not walk):
        require_transition(incident.status, Action.RESOLVE)
    changes: list[Change] = []
    status = incident.status
    for action in steps:
        to = require_transition(status, action)
        changes.append(StatusChanged(action=action, before=status, after=to))
        status = to
    changes.append(
        ResolutionRecorded(
            root_cause=given.root_cause,
            resolution_notes=given.resolution_notes,
            playbook_used=given.playbook_used,
            resolved_by=by.id,
        )
    )
    return changes


def assign(incident: Incident, *, user: str | None, team: str | None, freed: tuple[str, ...] = ()) -> list[Change]:
    """Return the assignment, or nothing if it is so already; ``freed`` names sides that nobody has any more."""
    freed = tuple(name for name in freed if getattr(incident, name) is not None)
    same = (user or incident.assigned_to, team or incident.assigned_team) == (
        incident.assigned_to,
        incident.assigned_team,
    )
    if same and not freed:
        return []
    return [
        Assigned(
            user=user,
            team=team,
            freed=freed,
            before_user=incident.assigned_to,
            before_team=incident.assigned_team,
        )
    ]


def edit(incident: Incident, fields: dict[str, Any]) -> list[Change]:
    """Return the edit of descriptive fields, only of those that differ."""
    after = {name: value for name, value in fields.items() if name in EDITABLE and _value(incident, name) != value}
    if not after:
        return []
    return [FieldsChanged(before={name: _value(incident, name) for name in after}, after=after)]


def set_severity(incident: Incident, severity: Severity, *, reason: str) -> list[Change]:
    """Return a person's new severity, up or down."""
    if severity is incident.severity:
        return []
    if not incident.is_open:
        raise Conflict(f"the severity of an incident that is {incident.status} cannot be changed; reopen it first",
                       allowed_actions=[str(each) for each in allowed_actions(incident.status)])  # fmt: skip
    return [SeverityChanged(before=incident.severity, after=severity, reason=reason)]


def comment(text: str, *, comment_id: str) -> list[Change]:
    """Return the comment."""
    return [CommentAdded(comment_id=comment_id, text=text)]


def link(incident: Incident, other_id: str, kind: LinkKind, *, reason: str) -> list[Change]:
    """Return the link; an incident cannot be linked to itself."""
    if other_id == incident.id:
        raise Invalid(
            "an incident cannot be linked to itself",
            [FieldFault("incident_id", f"{other_id} is this incident; name another one")],
        )
    found = Link(incident_id=other_id, kind=kind, reason=reason)
    return [] if found in incident.links else [IncidentLinked(link=found)]


def require_open(incident: Incident, what: str) -> None:
    """Raise InvalidTransition where the incident has ended: it cannot be ``what`` any more."""
    if not incident.is_open:
        raise InvalidTransition(
            f"an incident that is {incident.status} cannot be {what}; reopen it first",
            status=incident.status,
            allowed_actions=[str(each) for each in allowed_actions(incident.status)],
        )


def snooze(incident: Incident, *, until: datetime | None, at: datetime) -> list[Change]:
    """Return the snooze: the ladder waits until then; ``None`` ends it."""
    require_open(incident, "snoozed")
    if until is not None and until <= at:
        raise Invalid(
            "a snooze ends in the future",
            [FieldFault("until", f"{until.isoformat()} is over already; name an instant to come")],
        )
    return [] if until == incident.snoozed_until else [Snoozed(until=until)]


def silence(incident: Incident, silencing: Silencing | None) -> list[Change]:
    """Return the muting, its extension or its end; nothing where it is so already, or nobody is to be paged."""
    if not incident.is_open or incident.imported or silencing == incident.silence:
        return []
    if silencing is not None and not incident.plan.steps:
        return []
    return [Silenced(silence=silencing)]


def is_unheard(incident: Incident) -> bool:
    """Whether a silence has kept the ladder from its first step so far."""
    return incident.silence is not None and incident.ladder.index < 0


def breaches(incident: Incident, *, at: datetime) -> list[Change]:
    """Return the deadlines missed by ``at`` that are not recorded yet (RTE-06).

    None while a silence holds an incident of which nobody was ever told: its deadlines count from the silence's end.
    """
    if is_unheard(incident):
        return []
    sla, found = incident.sla, list[Change]()
    acknowledgment, resolution = sla.acknowledgment_deadline, sla.resolution_deadline
    if incident.status is Status.NEW and acknowledgment and at >= acknowledgment and not sla.acknowledgment_breached:
        found.append(SlaBreached(which="acknowledgment", deadline=acknowledgment))
    if incident.is_open and resolution and at >= resolution and not sla.resolution_breached:
        found.append(SlaBreached(which="resolution", deadline=resolution))
    return found


def _value(incident: Incident, name: str) -> Any:
    value = getattr(incident, name)
    if isinstance(value, tuple):
        return list(value)
    return str(value) if name == "category" else value
