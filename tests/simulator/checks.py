"""What must be true when a seed has come to rest, whatever happened on the way."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from llm_incident_manager.domain.audit.chain import genesis, verify_links
from llm_incident_manager.domain.escalation.moves import wanted_timers
from llm_incident_manager.domain.incidents.changes import (
    Assigned,
    Change,
    ChangeSet,
    IncidentOpened,
    LadderMoved,
    PeopleTold,
    Silenced,
    StatusChanged,
)
from llm_incident_manager.domain.incidents.evolve import evolve, replay
from llm_incident_manager.domain.incidents.incident import SYSTEM, Actor, Incident
from llm_incident_manager.domain.incidents.ladder import StepKind
from llm_incident_manager.domain.notifications.notification import DeliveryState, Notification
from llm_incident_manager.domain.vocabulary import Action, ActorType, NotificationType, Severity, Status
from llm_incident_manager.engine.ports import Transaction
from llm_incident_manager.engine.rows import IncidentFilter
from tests.simulator.simulation import Simulation
from tests.simulator.town import TENANTS
from tests.simulator.trouble import SentPage

BURIED = "in work at two restarts"
UNCONFIRMED = "unreadable journal bytes"
"""Where the disk refused a sync, then the truncation, then lost its power, half a write stands in a segment that others
followed. Nobody was answered for it, and an event that somebody was answered for shows as lost."""
SETTLING = frozenset({Action.ACKNOWLEDGE, Action.START_WORK, Action.DE_ESCALATE, Action.RESOLVE, Action.CLOSE})
UNTAKEN = (Status.NEW, Status.ESCALATED)
ACTS_IN = {
    StepKind.LEVEL: UNTAKEN,
    StepKind.CATCH_ALL: UNTAKEN,
    StepKind.ACKNOWLEDGMENT: (Status.NEW,),
    StepKind.RESOLUTION: (Status.NEW, Status.ACKNOWLEDGED, Status.IN_PROGRESS, Status.ESCALATED),
    StepKind.MANAGER: (Status.NEW, Status.ACKNOWLEDGED, Status.IN_PROGRESS, Status.ESCALATED),
}
"""Written down here once more, from the contract: the guards of specification §4.3."""


class Story:
    """One incident with all that is stored about it."""

    def __init__(self, tx: Transaction, incident: Incident) -> None:
        self.incident = incident
        self.links = tx.incidents.changes(incident.id)
        self.history: list[ChangeSet] = [link.changes() for link in self.links]
        self.rows: list[Notification] = tx.notifications.of_incident(incident.id)
        self.timers = tx.timers.of_incident(incident.id)


async def faults_of(run: Simulation) -> list[str]:
    """Return everything that is wrong, as sentences; nothing is wrong where the list is empty."""
    found = list(run.faults)
    for tenant in TENANTS:
        found += await run.store.read(tenant, lambda tx, tenant=tenant: list(_of_tenant(run, tx, tenant)))
    outbox = await run.store.system_read(lambda tx: tx.take_outbox(limit=10))
    if outbox:
        found.append(f"{len(outbox)} changes were never told to the bus")
    if run.house.journal.depth():
        found.append(f"{run.house.journal.depth()} events were never triaged")
    return found


def _of_tenant(run: Simulation, tx: Transaction, tenant: str) -> Iterator[str]:
    stories = [Story(tx, each) for each in tx.incidents.search(IncidentFilter(limit=500)).incidents]
    yield from _events(run, tx, tenant, stories)
    open_now = Counter(each.incident.fingerprint for each in stories if each.incident.is_open)
    yield from (f"{count} incidents of {print_} are open" for print_, count in open_now.items() if count > 1)
    if forgotten := tx.incidents.without_next_step():
        yield f"nobody and nothing will move {forgotten}"
    for story in stories:
        for fault in (*_record(tx, story, tenant), *_ladder(run, story), *_pages(run, story), *_silence(story)):
            yield f"{story.incident.id} of {tenant}: {fault}"


def _events(run: Simulation, tx: Transaction, tenant: str, stories: Sequence[Story]) -> Iterator[str]:
    sent = {(each.source, each.event_id): each for each in run.sent if each.tenant == tenant}
    known = tx.events.known(sent)
    letters, _, _ = tx.dead_letters.page(limit=500, cursor=None)
    buried = {letter.body for letter in letters if BURIED in letter.reason}
    expected = (BURIED, UNCONFIRMED)
    yield from (
        f"a dead letter: {letter.reason}" for letter in letters if not any(each in letter.reason for each in expected)
    )
    counted: Counter[str | None] = Counter()
    for key, event in sent.items():
        answered = [receipt.incident_id for receipt in event.receipts]
        if key not in known and event.body not in buried:
            yield f"event {event.event_id} was answered {[each.status for each in event.receipts]} and is lost"
        if key in known and known[key] is None and not event.recovers:
            yield f"event {event.event_id} was counted for no incident"
        if not event.recovers and key in known:
            counted[known[key]] += 1
        missing = [each for each in answered if each is not None and each not in tx.incidents.get_many([each])]
        if missing and event.body not in buried and not event.recovers:
            yield f"event {event.event_id} was answered {missing}, which nobody knows"
    for story in stories:
        if story.incident.event_count != counted[story.incident.id]:
            ours, theirs = story.incident.event_count, counted[story.incident.id]
            yield f"{story.incident.id} counts {ours} events, {theirs} were sent"


def _record(tx: Transaction, story: Story, tenant: str) -> Iterator[str]:
    incident = story.incident
    fault = verify_links(story.links, previous=genesis(tenant, incident.id))
    if fault is not None:
        yield f"its chain does not hold: {fault}"
    if replay(story.history) != incident:
        yield "replayed, it is not what is stored"
    wanted = set(wanted_timers(incident))
    if set(story.timers) != wanted:
        yield f"its timers are {story.timers}, its state asks for {wanted}"
    overdue = [timer.kind.value for timer in story.timers if timer.due_at <= tx.now]
    if overdue:
        yield f"{overdue} never fired"


def _ladder(run: Simulation, story: Story) -> Iterator[str]:
    """The system's steps: each acts only in the statuses of its guard, never early, never twice."""
    state: Incident | None = None
    told: Counter[tuple[int, int, int | None]] = Counter()
    for change_set in story.history:
        before, state = state, evolve(state, change_set)
        if before is None or change_set.by != SYSTEM:
            continue
        moved = any(isinstance(change, LadderMoved) for change in change_set.changes)
        for change in change_set.changes:
            if not (moved and isinstance(change, PeopleTold) and change.type is NotificationType.ESCALATED):
                continue
            if change.step is None or before.ladder.cycle != change.cycle:
                continue
            if before.silence is not None and state.silence is not None:
                yield f"step {change.step} was told while it was silenced"
            if change.reason == "silence_ended":
                # It is told again because nobody had heard of it, or for the first time.
                continue
            step = before.plan.steps[change.step]
            told[change.cycle, state.ladder.round, change.step] += 1
            if before.status not in ACTS_IN[step.kind]:
                yield f"{step.kind} was told while it was {before.status}"
            if before.ladder.next_at is None or change_set.at < before.ladder.next_at:
                yield f"{step.kind} was told at {change_set.at}, due {before.ladder.next_at}"
            if before.snoozed_until is not None and change_set.at < before.snoozed_until:
                yield f"{step.kind} was told while it was snoozed"
    yield from (f"step {where} was told {times} times" for where, times in told.items() if times > 1)


def _pages(run: Simulation, story: Story) -> Iterator[str]:
    planned = {
        page.notification_id: version
        for version, change_set in enumerate(story.history, start=1)
        for change in change_set.changes
        if isinstance(change, PeopleTold)
        for page in change.pages
    }
    muted = any(isinstance(change, Silenced) for change in story.history[0].changes)
    if not planned and not muted and not _was_over(run, story) and _opened_severity(story) is not Severity.P4:
        yield "nobody was to be told of it"
    yield from _end(story)
    rows = {row.id: row for row in story.rows}
    if rows.keys() != planned.keys():
        yield f"pages planned and in the ledger differ: {rows.keys() ^ planned.keys()}"
    attempts = defaultdict(list)
    for sent in run.pages:
        if sent.message.incident_id == story.incident.id and sent.message.tenant == story.incident.tenant:
            attempts[sent.message.notification_id].append(sent)
    yield from (f"a page nobody planned: {unknown}" for unknown in attempts.keys() - planned.keys())
    ends = [
        version
        for version, change_set in enumerate(story.history, start=1)
        if any(_takes(each, change_set.by) for each in change_set.changes)
    ]
    for row in story.rows:
        seen = attempts[row.id]
        yield from _page(run, row, seen, planned.get(row.id, 0), ends)


def _was_over(run: Simulation, story: Story) -> bool:
    """Whether its recovery, of the same tenant and of a later time, was accepted before what opened it."""
    opened = story.history[0].changes[0]
    assert isinstance(opened, IncidentOpened)
    said = [
        datetime.fromisoformat(json.loads(sent.body)["timestamp"])
        for sent in run.sent
        if sent.recovers and (sent.tenant, sent.event_id) == (story.incident.tenant, opened.overtaken_by)
    ]
    return any(at > opened.occurred_at for at in said)


def _opened_severity(story: Story) -> Severity:
    return evolve(None, story.history[0]).severity


def _end(story: Story) -> Iterator[str]:
    """Whoever heard of an incident that has ended is to hear of its end, on the same channel (NTF-04)."""
    ended = story.incident.resolved_at
    if story.incident.is_open or ended is None:
        return
    heard, informed = set(), set()
    for row in story.rows:
        contact = (row.recipient, row.channel, row.contact)
        if row.type is not NotificationType.RESOLVED and row.state is DeliveryState.DELIVERED:
            heard.add(contact)
        elif row.type is NotificationType.RESOLVED and row.planned_at >= ended:
            informed.add(contact)
    if heard - informed:
        yield f"{sorted(heard - informed)} never heard of its end"
    if informed - heard:
        yield f"{sorted(informed - heard)} heard of an end, and of nothing before"


def _takes(change: Change, by: Actor) -> bool:
    if isinstance(change, Assigned):
        return by.type is ActorType.USER and change.user == by.id
    return isinstance(change, StatusChanged) and change.action in SETTLING


def _silence(story: Story) -> Iterator[str]:
    """Nobody is muted once no silence is left, and whoever nobody has is told."""
    if story.incident.is_open and story.incident.silence is not None:
        yield f"it is silenced, {story.incident.silence.reason}, and no silence is left"


def _page(run: Simulation, row: Notification, seen: list[SentPage], version: int, ends: list[int]) -> Iterator[str]:
    if len({(sent.address, sent.message.type) for sent in seen}) > 1:
        yield f"{row.id} went to several"
    accepted = any(sent.accepted for sent in seen)
    rejected = any(sent.rejected for sent in seen)
    late = run.clock.now() - row.planned_at > timedelta(hours=24)
    acted_on = any(end > version for end in ends)
    for sent in seen:
        if row.type is not NotificationType.RESOLVED and any(version < end <= sent.at_version for end in ends):
            yield f"{row.id} ({row.type}, {row.reason}) was sent after somebody had taken or ended it"
    match row.state:
        case DeliveryState.DELIVERED if not accepted:
            yield f"{row.id} counts as delivered and was never accepted"
        case DeliveryState.FAILED if not rejected and not (late and row.type is NotificationType.RESOLVED):
            yield f"{row.id} failed though nobody rejected it ({row.last_error})"
        case DeliveryState.PLANNED | DeliveryState.RETRYING:
            yield f"{row.id} was never delivered ({row.attempts} attempts, {row.last_error})"
        case DeliveryState.CANCELLED if (row.last_error or "").startswith("silenced until"):
            pass
        case DeliveryState.CANCELLED if not acted_on and "moved" not in (row.last_error or ""):
            yield f"{row.id} was cancelled though nobody acted ({row.last_error})"
        case DeliveryState.SKIPPED if seen:
            yield f"{row.id} was skipped and sent"
