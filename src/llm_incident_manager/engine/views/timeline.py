"""The story of an incident as log entries: specification §5.4's ``ResolutionLog`` (AUD-02)."""

from typing import Any

import msgspec

from llm_incident_manager.domain.incidents.changes import (
    Assigned,
    Change,
    ChangeSet,
    CommentAdded,
    EventsJoined,
    FieldsChanged,
    IncidentLinked,
    IncidentOpened,
    LadderMoved,
    NotificationSettled,
    PeopleTold,
    ReportChanged,
    ResolutionRecorded,
    Routed,
    SeverityChanged,
    Silenced,
    SlaBreached,
    Snoozed,
    StatusChanged,
)
from llm_incident_manager.domain.incidents.incident import Silencing
from llm_incident_manager.domain.vocabulary import Action
from llm_incident_manager.engine.rows import StoredChange
from llm_incident_manager.engine.views.instants import iso, iso_or_none

_ENTRY_OF_ACTION = {
    Action.ACKNOWLEDGE: "acknowledged",
    Action.START_WORK: "state_changed",
    Action.ESCALATE: "escalated",
    Action.DE_ESCALATE: "state_changed",
    Action.RESOLVE: "resolved",
    Action.REOPEN: "reopened",
    Action.CLOSE: "closed",
}


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What one change tells: the entry's type, its facts, the fields it moved as (field, old, new), and a note."""

    event_type: str
    facts: dict[str, Any]
    moves: tuple[tuple[str, Any, Any], ...] = ()
    notes: str = ""


def log_entries(incident_id: str, stored: StoredChange) -> list[dict[str, Any]]:
    """Return the entries of one change set in order; their ids are stable: incident, version, number of the change."""
    change_set = stored.changes()
    entries: list[dict[str, Any]] = []
    for number, change in enumerate(change_set.changes):
        told = _told(change, change_set)
        if told is None:
            continue
        entry: dict[str, Any] = {
            "id": f"{incident_id}-{stored.version}-{number}",
            "incident_id": incident_id,
            "event_type": told.event_type,
            "event_data": told.facts,
            "actor": {
                "type": change_set.by.type.value,
                "id": change_set.by.id,
                "name": change_set.by.name or change_set.by.id,
            },
            "changes": [{"field": field, "old_value": old, "new_value": new} for field, old, new in told.moves],
            "timestamp": iso(change_set.at),
            "metadata": _request_facts(change_set),
        }
        if told.notes:
            entry["notes"] = told.notes
        entries.append(entry)
    return entries


def _request_facts(change_set: ChangeSet) -> dict[str, Any]:
    return msgspec.to_builtins(change_set.request) if change_set.request is not None else {}


def _told(change: Change, change_set: ChangeSet) -> Told | None:
    match change:
        case IncidentOpened():
            return _opened(change)
        case Routed():
            return _routed(change)
        case EventsJoined():
            facts = {"count": change.count, "last_at": iso(change.last_at), "last_event_id": change.last_event_id}
            return Told(event_type="incident_updated", facts={"kind": "events_joined", **facts})
        case ReportChanged():
            return _report(change)
        case SeverityChanged():
            kind = "severity_raised" if change.raised else "severity_set"
            moves = (("severity", change.before.value, change.after.value),)
            return Told(event_type="incident_updated", facts={"kind": kind, "reason": change.reason}, moves=moves)
        case StatusChanged():
            facts = {"action": change.action.value, "reason": change.reason}
            moves = (("status", change.before.value, change.after.value),)
            return Told(event_type=_ENTRY_OF_ACTION[change.action], facts=facts, moves=moves, notes=change.note)
        case Assigned():
            return _assigned(change)
        case FieldsChanged():
            edits = tuple((name, change.before.get(name), value) for name, value in change.after.items())
            return Told(event_type="incident_updated", facts={"kind": "fields_changed"}, moves=edits)
        case ResolutionRecorded():
            return _resolution(change)
        case CommentAdded():
            facts = {"comment_id": change.comment_id, "text": change.text}
            return Told(event_type="comment_added", facts=facts, notes=change.text)
        case IncidentLinked(link=link):
            facts = {"kind": "linked", "incident_id": link.incident_id, "link": link.kind.value, "reason": link.reason}
            return Told(event_type="incident_updated", facts=facts)
        case PeopleTold():
            return _people_told(change)
        case NotificationSettled():
            return _settled(change)
        case SlaBreached():
            facts = {"deadline": change.which, "at": iso(change.deadline)}
            breach = (f"sla.{change.which}_breached", False, True)
            return Told(event_type="sla_breached", facts=facts, moves=(breach,))
        case Snoozed():
            facts = {"kind": "snoozed" if change.until is not None else "woken", "until": iso_or_none(change.until)}
            return Told(event_type="incident_updated", facts=facts)
        case Silenced(silence=silence):
            return _silenced(silence)
        case LadderMoved():
            return None


def _report(change: ReportChanged) -> Told:
    kind = "report_joined" if change.first else f"report_{change.state}"
    facts = {"kind": kind, "source": change.source, "state": change.state.value, "title": change.title}
    return Told(event_type="incident_updated", facts=facts | {"event_id": change.event_id}, notes=change.title)


def _silenced(silence: Silencing | None) -> Told:
    if silence is None:
        return Told(event_type="incident_updated", facts={"kind": "silence_ended"})
    facts = {
        "kind": "silenced",
        "until": iso(silence.until),
        "silences": list(silence.silences),
        "reason": silence.reason,
    }
    return Told(event_type="incident_updated", facts=facts, notes=silence.reason)


def _opened(change: IncidentOpened) -> Told:
    facts: dict[str, Any] = {
        "title": change.title,
        "source": change.source,
        "source_event_id": change.source_event_id,
        "severity": change.severity.value,
        "category": change.category.value,
        "occurred_at": iso(change.occurred_at),
    }
    if change.classification is not None and change.classification.sentence:
        facts["why"] = change.classification.sentence
    if change.overtaken_by is not None:
        facts["overtaken_by"] = change.overtaken_by
    if change.fold is not None:
        facts |= {"cross_key": change.fold.rule, "key": change.fold.key}
    return Told(event_type="incident_created", facts=facts, moves=(("status", None, "NEW"),))


def _routed(change: Routed) -> Told:
    facts = {
        "kind": "routed",
        "route": change.routing.route,
        "policy": change.routing.policy,
        "reason": change.routing.sentence,
        "acknowledgment_deadline": iso_or_none(change.acknowledgment_deadline),
        "resolution_deadline": iso_or_none(change.resolution_deadline),
    }
    given = (("assigned_team", change.team), ("assigned_to", change.user))
    moves = tuple((field, None, value) for field, value in given if value is not None)
    return Told(event_type="assigned" if moves else "incident_updated", facts=facts, moves=moves)


def _assigned(change: Assigned) -> Told:
    given = (
        ("assigned_to", change.before_user, change.user),
        ("assigned_team", change.before_team, change.team),
    )
    moves = tuple((field, old, new) for field, old, new in given if new is not None or field in change.freed)
    return Told(event_type="assigned", facts={"user": change.user, "team": change.team}, moves=moves)


def _resolution(change: ResolutionRecorded) -> Told:
    names = ("root_cause", "resolution_notes", "playbook_used", "resolved_by")
    facts = {name: value for name in names if (value := getattr(change, name)) is not None}
    moves = tuple((f"resolution.{name}", None, value) for name, value in facts.items())
    notes = change.resolution_notes or ""
    return Told(event_type="incident_updated", facts={"kind": "resolution", **facts}, moves=moves, notes=notes)


def _people_told(change: PeopleTold) -> Told:
    pages = [
        {
            "notification_id": page.notification_id,
            "target": page.target,
            "recipient": page.recipient,
            "name": page.name,
            "channel": page.channel,
            "skipped": page.skipped,
        }
        for page in change.pages
    ]
    tried = [page for page in change.pages if page.skipped is None]
    facts = {
        "state": "planned" if tried else "skipped",
        "type": change.type.value,
        "level": change.level,
        "cycle": change.cycle,
        "reason": change.reason,
        "target": ", ".join(dict.fromkeys(page.target for page in tried or change.pages)),
        "channel": ", ".join(dict.fromkeys(page.channel for page in tried if page.channel)),
        "pages": pages,
    }
    return Told(event_type="notification_sent", facts=facts, notes=change.note)


def _settled(change: NotificationSettled) -> Told:
    facts = {
        "state": "delivered" if change.delivered else "failed",
        "notification_id": change.notification_id,
        "target": change.recipient,
        "recipient": change.recipient,
        "channel": change.channel,
        "reason": change.reason,
        "receipt": change.receipt,
        "attempts": change.attempts,
    }
    return Told(event_type="notification_sent", facts=facts)
