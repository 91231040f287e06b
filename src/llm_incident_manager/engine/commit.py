"""One change set into one transaction: state, timers, pages and what must leave the database, together."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from llm_incident_manager.domain.escalation.moves import wanted_timers
from llm_incident_manager.domain.incidents.changes import (
    Assigned,
    Change,
    ChangeSet,
    EventsJoined,
    NotificationSettled,
    PeopleTold,
    RequestFacts,
    Silenced,
    StatusChanged,
)
from llm_incident_manager.domain.incidents.evolve import evolve
from llm_incident_manager.domain.incidents.incident import Actor, Incident
from llm_incident_manager.domain.notifications.notification import DeliveryState
from llm_incident_manager.domain.vocabulary import Action, ActorType, NotificationType
from llm_incident_manager.engine.context import Context
from llm_incident_manager.engine.loads import Loads
from llm_incident_manager.engine.notify import ACKNOWLEDGED, is_mutable, notifications_of
from llm_incident_manager.engine.ports import Transaction
from llm_incident_manager.engine.reactions import Moment, follow_ups

STOPS_PAGES = frozenset({Action.ACKNOWLEDGE, Action.START_WORK, Action.DE_ESCALATE, Action.RESOLVE, Action.CLOSE})
"""Actions of somebody who has it: what is still being tried for the incident is cancelled."""


class Opened(msgspec.Struct, frozen=True, kw_only=True):
    """A new incident that is ready to be written."""

    incident: Incident
    change_set: ChangeSet


def prepare_opening(changes: Sequence[Change], *, by: Actor, at: datetime, context: Context, loads: Loads) -> Opened:
    """Return a new incident with its route, first timer and planned pages; nothing is written yet.

    What it gives somebody to do is counted in ``loads``.
    """
    moment = Moment(at=at, by=by, context=context, told=lambda _: (), loads=loads)
    change_set = ChangeSet(at=at, by=by, changes=tuple(follow_ups(None, changes, moment)))
    incident = evolve(None, change_set)
    if incident.assigned_to is not None:
        loads.given(f"user:{incident.assigned_to}", at)
    if incident.assigned_team is not None:
        loads.given(f"team:{incident.assigned_team}", at)
    return Opened(incident=incident, change_set=change_set)


def write_openings(tx: Transaction, opened: Sequence[Opened]) -> dict[str, Incident]:
    """Write new incidents with their rows; returns, by fingerprint, those that others had opened first."""
    lost = tx.incidents.open([(each.incident, each.change_set) for each in opened])
    won = [each for each in opened if each.incident.fingerprint not in lost] if lost else list(opened)
    tx.timers.add([timer for each in won for timer in wanted_timers(each.incident)])
    tx.notifications.add(
        [
            row
            for each in won
            for change in each.change_set.changes
            if isinstance(change, PeopleTold)
            for row in notifications_of(each.incident, change, at=each.change_set.at)
        ]
    )
    if won:
        tx.outbox.put("incidents_changed", {"ids": [each.incident.id for each in won], "opened": True})
    return lost


def commit(
    tx: Transaction,
    incident: Incident,
    changes: Sequence[Change],
    *,
    by: Actor,
    context: Context,
    request: RequestFacts | None = None,
    at: datetime | None = None,
) -> Incident:
    """Write ``changes`` and their follow-ups as one change set; returns the new state (the old one if nothing changed).

    Raises Conflict if somebody was faster; the caller decides again.
    """
    if not changes:
        return incident
    at = at or tx.now
    moment = Moment(at=at, by=by, context=context, told=tx.notifications.of_incident, loads=Loads(tx))
    complete = follow_ups(incident, changes, moment)
    change_set = ChangeSet(at=at, by=by, changes=tuple(complete), request=request)
    after = evolve(incident, change_set)
    tx.incidents.append([(after, change_set)])
    write_rows(tx, incident, after, complete, by=by, at=at)
    return after


def write_rows(
    tx: Transaction, before: Incident, after: Incident, changes: Sequence[Change], *, by: Actor, at: datetime
) -> None:
    """Make timers, the page ledger and the outbox agree with a change set that was just appended."""
    timers = wanted_timers(after)
    if timers != wanted_timers(before):
        tx.timers.replace(after.id, timers)
    if any(_stops_pages(change, by) for change in changes):
        kept = (ACKNOWLEDGED,) if after.is_open else ()
        tx.notifications.cancel(
            after.id, reason="somebody has it", keep=(NotificationType.RESOLVED,), keep_reasons=kept
        )
    elif (after.ladder.cycle, after.ladder.told_at) != (before.ladder.cycle, before.ladder.told_at):
        _stop_retries(tx, after)
    if after.silence is not None and any(isinstance(change, Silenced) for change in changes):
        mute_pages(tx, after.id, after.silence.reason)
    for change in changes:
        if isinstance(change, PeopleTold):
            tx.notifications.add(notifications_of(after, change, at=at))
    if not all(isinstance(change, EventsJoined | NotificationSettled) for change in changes) or after.is_open:
        tx.outbox.put("incidents_changed", {"ids": [after.id], "opened": False})


def mute_pages(tx: Transaction, incident_id: str, reason: str) -> None:
    """Cancel what a silence keeps from leaving; the reason stands beside each page."""
    for row in tx.notifications.of_incident(incident_id):
        if row.state.is_pending and is_mutable(row):
            tx.notifications.save(
                msgspec.structs.replace(row, state=DeliveryState.CANCELLED, next_attempt_at=None, last_error=reason)
            )


def _stops_pages(change: Change, by: Actor) -> bool:
    if isinstance(change, StatusChanged):
        return change.action in STOPS_PAGES
    # "I have it", said of an incident that is acknowledged already.
    return isinstance(change, Assigned) and by.type is ActorType.USER and change.user == by.id


def _stop_retries(tx: Transaction, incident: Incident) -> None:
    """The ladder has moved: what failed its first round is not tried again (interfaces, "Telling").

    Pages beside the ladder (by hand, a missed deadline) go on; the news of an end that is none any more does not, nor
    does "somebody has it".
    """
    for row in tx.notifications.of_incident(incident.id):
        failed = row.step is not None and row.state is DeliveryState.RETRYING and row.first_round_over
        news = row.type is NotificationType.RESOLVED or row.reason == ACKNOWLEDGED
        if failed or (news and row.state.is_pending):
            tx.notifications.save(
                msgspec.structs.replace(
                    row, state=DeliveryState.CANCELLED, next_attempt_at=None, last_error="the ladder has moved on"
                )
            )
