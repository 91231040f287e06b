"""State from changes: the only way an :class:`Incident` comes to be, and the same when replayed."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, assert_never

import msgspec

from llm_incident_manager.domain.incidents.changes import (
    QUIET,
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
from llm_incident_manager.domain.incidents.incident import Actor, Incident, Sla, Times
from llm_incident_manager.domain.incidents.ladder import Ladder, LadderState, Plan
from llm_incident_manager.domain.incidents.reports import Report
from llm_incident_manager.domain.vocabulary import Action, ActorType, Category, Status

replace = msgspec.structs.replace


def evolve(incident: Incident | None, change_set: ChangeSet) -> Incident:
    """Return the incident after ``change_set``; pass ``None`` for the first, which must begin with IncidentOpened."""
    state = applied(incident, change_set.changes, at=change_set.at, by=change_set.by)
    loud = any(not isinstance(change, QUIET) for change in change_set.changes)
    return replace(
        state,
        version=state.version + 1,
        revision=state.revision + (1 if loud else 0),
        updated_at=max(state.updated_at, change_set.at),
    )


def applied(incident: Incident | None, changes: Iterable[Change], *, at: datetime, by: Actor) -> Incident:
    """Return the incident with ``changes`` made but not yet committed: the version stays."""
    state = incident
    for change in changes:
        if isinstance(change, IncidentOpened):
            state = _opened(change, at)
        else:
            if state is None:
                raise ValueError("an incident begins with IncidentOpened")
            state = _applied(state, change, at, by)
    if state is None:
        raise ValueError("a change set without changes")
    return state


def replay(change_sets: Iterable[ChangeSet]) -> Incident:
    """Return the incident that these change sets, from the first on, make."""
    incident: Incident | None = None
    for change_set in change_sets:
        incident = evolve(incident, change_set)
    if incident is None:
        raise ValueError("no change sets to replay")
    return incident


def _opened(change: IncidentOpened, at: datetime) -> Incident:
    detection = None if change.late else max(0.0, (change.accepted_at - change.occurred_at).total_seconds())
    return Incident(
        id=change.incident_id,
        tenant=change.tenant,
        fingerprint=change.fingerprint,
        severity=change.severity,
        status=Status.NEW,
        category=change.category,
        title=change.title,
        description=change.description,
        source=change.source,
        source_event_id=change.source_event_id,
        event_type=change.event_type,
        source_severity=change.source_severity,
        resource=change.resource,
        created_at=change.accepted_at,
        updated_at=at,
        ladder=Ladder(state=LadderState.QUIET, opened_at=at),
        plan=Plan(),
        impact=change.impact,
        times=Times(mttd=detection, open_since=change.accepted_at),
        environment=change.environment,
        tags=change.tags,
        labels=change.labels,
        metrics=change.metrics,
        metadata=change.metadata,
        classification=change.classification,
        links=change.links,
        last_event_at=change.accepted_at,
        imported=change.imported,
        quiet_seconds=change.quiet_seconds,
        fold=change.fold,
    )


def _applied(state: Incident, change: Change, at: datetime, by: Actor) -> Incident:
    match change:
        case IncidentOpened():
            raise ValueError("an incident opens once")
        case Routed():
            return _routed(state, change)
        case EventsJoined(count=count, last_at=last_at):
            newest = max(state.last_event_at or last_at, last_at)
            return replace(state, event_count=state.event_count + count, last_event_at=newest)
        case ReportChanged():
            return _reported(state, change)
        case SeverityChanged(after=after, classification=classification):
            return replace(state, severity=after, classification=classification or state.classification)
        case StatusChanged():
            return _status_changed(state, change, at, by)
        case Assigned(user=user, team=team, freed=freed):
            state = replace(state, **dict.fromkeys(freed))
            return replace(state, assigned_to=user or state.assigned_to, assigned_team=team or state.assigned_team)
        case FieldsChanged(after=after):
            return _fields_changed(state, after)
        case ResolutionRecorded():
            return _resolution_recorded(state, change)
        case IncidentLinked(link=link):
            kept = tuple(each for each in state.links if (each.incident_id, each.kind) != (link.incident_id, link.kind))
            return replace(state, links=(*kept, link))
        case LadderMoved(ladder=ladder):
            return replace(state, ladder=ladder, escalation_level=ladder.level)
        case SlaBreached(which=which):
            if which == "acknowledgment":
                return replace(state, sla=replace(state.sla, acknowledgment_breached=True))
            return replace(state, sla=replace(state.sla, resolution_breached=True))
        case Snoozed(until=until):
            return replace(state, snoozed_until=until)
        case Silenced(silence=silence):
            return replace(state, silence=silence)
        case CommentAdded() | PeopleTold() | NotificationSettled():
            return state
        case _:
            assert_never(change)


def _routed(state: Incident, change: Routed) -> Incident:
    sla = Sla(
        acknowledgment_deadline=change.acknowledgment_deadline,
        resolution_deadline=change.resolution_deadline,
        acknowledgment_breached=state.sla.acknowledgment_breached,
        resolution_breached=state.sla.resolution_breached,
    )
    return replace(
        state,
        plan=change.plan,
        routing=change.routing,
        sla=sla,
        assigned_team=change.team or state.assigned_team,
        assigned_to=change.user or state.assigned_to,
    )


def _reported(state: Incident, change: ReportChanged) -> Incident:
    if state.fold is None:
        raise ValueError("only an incident that a cross-source key folded has reports")
    known = state.fold.of(change.fingerprint)
    report = Report(
        source=change.source,
        fingerprint=change.fingerprint,
        title=change.title,
        since=known.since if known is not None else change.at,
        changed_at=change.at,
        state=change.state,
        quiet_seconds=change.quiet_seconds,
    )
    fold = state.fold.with_report(report)
    return replace(state, fold=fold, quiet_seconds=fold.quiet_seconds)


def _status_changed(state: Incident, change: StatusChanged, at: datetime, by: Actor) -> Incident:
    state = replace(state, status=change.after)
    times = state.times
    if change.action in (Action.ACKNOWLEDGE, Action.START_WORK) and times.mtta is None and by.type is ActorType.USER:
        times = replace(times, mtta=max(0.0, (at - state.created_at).total_seconds()))
    if change.action is Action.ACKNOWLEDGE:
        state = replace(state, acknowledged_at=at)
    if not change.after.is_open and change.before.is_open:
        span = max(0.0, (at - (times.open_since or state.created_at)).total_seconds())
        total = times.open_seconds + span
        times = replace(times, open_seconds=total, open_since=None, mttr=total)
        state = replace(state, resolved_at=at)
    if change.after is Status.CLOSED:
        state = replace(state, closed_at=at)
    if change.action is Action.REOPEN:
        times = replace(times, open_since=at, mttr=None)
        state = replace(state, resolved_at=None, closed_at=None)
    return replace(state, times=times)


def _fields_changed(state: Incident, after: dict[str, Any]) -> Incident:
    values = dict(after)
    if "category" in values:
        values["category"] = Category(values["category"])
    if "labels" in values:
        values["labels"] = tuple(values["labels"])
    return replace(state, **values)


def _resolution_recorded(state: Incident, change: ResolutionRecorded) -> Incident:
    given = {
        name: value
        for name in ("root_cause", "resolution_notes", "playbook_used", "resolved_by")
        if (value := getattr(change, name)) is not None
    }
    return replace(state, resolution=replace(state.resolution, **given))
