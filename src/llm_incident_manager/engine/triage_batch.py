"""The transaction of triage: every event is counted once, every new fingerprint opens one incident."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime

import msgspec

from llm_incident_manager.domain.correlation.relate import links_of
from llm_incident_manager.domain.events.event import Event
from llm_incident_manager.domain.incidents import decide
from llm_incident_manager.domain.incidents.changes import ReportChanged
from llm_incident_manager.domain.incidents.incident import SYSTEM, Incident
from llm_incident_manager.engine.commit import Opened, commit, prepare_opening, write_openings
from llm_incident_manager.engine.context import Context
from llm_incident_manager.engine.fingerprint_notes import FingerprintNote
from llm_incident_manager.engine.folds import folding_of, place_of, places_of, reports_of, said_over
from llm_incident_manager.engine.loads import Loads
from llm_incident_manager.engine.openings import classified, integration, joining, opening, recovering, starts_at
from llm_incident_manager.engine.overtaken import noted, only_proposes, over_at_once, speaks_of, told_before
from llm_incident_manager.engine.ports import Key, Transaction
from llm_incident_manager.engine.records import Record
from llm_incident_manager.engine.rows import StoredEvent

KEEP_FIRST = 100
KEEP_EVERY = 100
"""A storm keeps the first 100 payloads of an incident and every hundredth after; counts stay exact."""

Reserve = Callable[[datetime], str]


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """One accepted event and its journal record; ``fingerprint`` is that of the incident it belongs to.

    ``judged`` is what rules look at, where members are encrypted.
    """

    event: Event
    record: Record
    place: str | None = None
    judged: Event | None = None

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the incident that it joins or opens: its own, unless a cross-source key folds it."""
        return self.place or self.event.fingerprint

    @property
    def key(self) -> Key:
        """What is counted once, within the tenant."""
        return (self.event.source, self.event.event_id)


class Triaged(msgspec.Struct, kw_only=True):
    """What a batch did: incidents opened and ended, and which incident stands for a fingerprint now.

    ``void`` are ids that were reserved for a fingerprint and stand for nothing open; ``notes`` the recoveries.
    ``reported`` are the sources' own fingerprints of folded incidents that are open.
    """

    opened: list[Incident] = msgspec.field(default_factory=list)
    ended: list[Incident] = msgspec.field(default_factory=list)
    standing: dict[str, str] = msgspec.field(default_factory=dict)
    void: list[tuple[str, str]] = msgspec.field(default_factory=list)
    notes: dict[str, FingerprintNote] = msgspec.field(default_factory=dict)
    reported: dict[str, list[str]] = msgspec.field(default_factory=dict)


class _Group(msgspec.Struct, kw_only=True):
    """The next stretch of one fingerprint: it opens or joins with ``items``, and ``recovery`` may end it."""

    items: list[Item]
    recovery: Item | None = None


def triage_batch(tx: Transaction, items: Sequence[Item], context: Context, reserve: Reserve) -> Triaged:
    """Triage ``items`` of one tenant in order; harmless when repeated: identities that are known count nothing."""
    result = Triaged()
    loads = Loads(tx)
    first: dict[Key, Item] = {}
    again = [item for item in items if first.setdefault(item.key, item) is not item]
    known: dict[Key, str | None] = {}
    asked: set[Key] = set()
    _keep_changes(tx, [item for item in first.values() if item.event.is_change])
    waiting = [item for item in first.values() if not item.event.is_change]
    folded = False
    while waiting:
        standing, places = places_of(tx, ((item.event, item.record) for item in waiting))
        folded = folded or bool(places)
        if folded:
            waiting = [_placed(item, place_of(item.event, places)) for item in waiting]
        # What joins is counted by its insert; only where an incident might open must be known before who was counted.
        unsure = {item.key for item in waiting if item.fingerprint not in standing} - asked
        if unsure:
            asked |= unsure
            known |= tx.events.known(unsure)
            again += [item for item in waiting if item.key in known]
            waiting = [item for item in waiting if item.key not in known]
        waiting = _wave(tx, waiting, standing, context, reserve, result, again, loads)
    _point_repeated(tx, again, known)
    if result.notes:
        tx.fingerprint_notes.put(list(result.notes.values()))
    return result


def _placed(item: Item, place: str) -> Item:
    return item if item.fingerprint == place else msgspec.structs.replace(item, place=place)


def _keep_changes(tx: Transaction, items: Sequence[Item]) -> None:
    """Remember what was done on purpose: it opens nothing, and nobody is told."""
    new = tx.events.add([(item.event, None) for item in items])
    tx.events.keep([_stored(item, None) for item in items if item.key in new and item.record.kept])


def _point_repeated(tx: Transaction, items: Sequence[Item], known: Mapping[Key, str | None]) -> None:
    """Let the ids that were answered for repeated identities stand for the incidents that count them."""
    if not items:
        return
    unknown = {item.key for item in items if item.key not in known}
    found = {**known, **tx.events.known(unknown)} if unknown else known
    by_incident: dict[str | None, list[Item]] = {}
    for item in items:
        by_incident.setdefault(found.get(item.key), []).append(item)
    for incident_id, several in by_incident.items():
        _point(tx, several, incident_id)


def _wave(
    tx: Transaction,
    items: Sequence[Item],
    standing: Mapping[str, Incident],
    context: Context,
    reserve: Reserve,
    result: Triaged,
    again: list[Item],
    loads: Loads,
) -> list[Item]:
    """Take each fingerprint one stretch further; returns what is left for the next wave.

    ``standing`` is what is open by fingerprint; who turns out to be counted already is added to ``again``.
    """
    by_fingerprint: dict[str, list[Item]] = {}
    for item in items:
        by_fingerprint.setdefault(item.fingerprint, []).append(item)
    missing = [fingerprint for fingerprint in by_fingerprint if fingerprint not in standing]
    before = tx.incidents.last_by_fingerprint(missing) if missing else {}
    owns = {item.event.fingerprint for each in missing for item in by_fingerprint[each]}
    notes = tx.fingerprint_notes.of(owns) | result.notes if missing else {}
    left: list[Item] = []
    openings: list[tuple[Opened, list[Item]]] = []
    for fingerprint, group in by_fingerprint.items():
        incident = standing.get(fingerprint)
        if incident is not None:
            stretch, rest = _stretch(group)
            again += _join(tx, incident, stretch, context, result)
            left += rest
            continue
        last = before.get(fingerprint)
        group = _without_latecomers(tx, group, last, notes, context, result)
        group = _without_leading_recoveries(tx, group, result)
        if not group:
            continue
        notes |= result.notes
        stretch, rest = _stretch(group)
        if stretch.recovery is not None:
            rest = [stretch.recovery, *rest]
        opened = _open(tx, stretch.items, context, reserve, last, notes, loads)
        openings.append((opened, stretch.items))
        left += rest
    return left + _write(tx, openings, result)


def _write(tx: Transaction, openings: Sequence[tuple[Opened, list[Item]]], result: Triaged) -> list[Item]:
    """Write the openings of a wave; returns the items of those that another node had opened first."""
    if not openings:
        return []
    lost = write_openings(tx, [opened for opened, _ in openings])
    left: list[Item] = []
    keep: list[StoredEvent] = []
    keyed: list[tuple[Event, str | None]] = []
    for opened, items in openings:
        incident = opened.incident
        if incident.fingerprint in lost:
            left += items
            continue
        result.opened.append(incident)
        if incident.fold is not None:
            tx.reports.put([(report.fingerprint, incident.id) for report in incident.fold.reports])
        if incident.is_open:
            _stands(incident, result)
        else:
            result.ended.append(incident)
            result.void += _reserved(items)
        keyed += [(item.event, incident.id) for item in items]
        keep += _payloads(items, incident.id, counted=0)
        _point(tx, items, incident.id)
    tx.events.add(keyed)
    tx.events.keep(keep)
    return left


def _open(
    tx: Transaction,
    items: Sequence[Item],
    context: Context,
    reserve: Reserve,
    last: str | None,
    notes: Mapping[str, FingerprintNote],
    loads: Loads,
) -> Opened:
    event = items[0].event
    reserved = _unused_id(tx, items) or reserve(event.received_at)
    # What arrived together is judged together: the worst decides, so that nobody is paged twice for one storm.
    worst = classified([item.event for item in items], context, _judged(items))
    links = links_of(event, last=last, parent=_parent(tx, event))
    source = context.settings.sources.get(event.source)
    quiet = source.quiet_seconds if source is not None else None
    passed = all(_was_passed(item.event, notes) for item in items)
    fold = folding_of(event, items[0].fingerprint, context, over=passed)
    change = opening(event, worst, tenant=tx.tenant, incident_id=reserved, links=links, quiet_seconds=quiet)
    change = msgspec.structs.replace(change, fingerprint=items[0].fingerprint, fold=fold)
    others = [item.event for item in items[1:]]
    more = joining(None, others, context) + reports_of(fold, others, notes, context)
    at = starts_at(event.received_at, tx.now)
    note = notes.get(event.fingerprint)
    if note is not None and passed:
        if only_proposes(note.source, context):
            more += decide.comment(told_before(note), comment_id=context.ids.new("cmt"))
        else:
            change = msgspec.structs.replace(change, overtaken_by=note.event_id)
            more += over_at_once(change, more, note, at)
    return prepare_opening([change, *more], by=integration(event.source), at=at, context=context, loads=loads)


def _parent(tx: Transaction, event: Event) -> str | None:
    """Return the incident that counted the event's parent, which the same source sent."""
    if event.parent_event_id is None:
        return None
    key = (event.source, event.parent_event_id)
    return tx.events.known([key]).get(key)


def _unused_id(tx: Transaction, items: Sequence[Item]) -> str | None:
    """Return the first id that was answered for these events and stands for no incident yet."""
    answered = [item.record.incident_id for item in items if item.record.incident_id is not None]
    ordered = list(dict.fromkeys(answered))
    known = tx.incidents.get_many(ordered) if ordered else {}
    return next((each for each in ordered if each not in known), None)


def _join(tx: Transaction, incident: Incident, stretch: _Group, context: Context, result: Triaged) -> list[Item]:
    """Count what is new; returns the items that were counted before."""
    new = tx.events.add([(item.event, incident.id) for item in stretch.items])
    counted, before = stretch.items, []
    if len(new) < len(stretch.items):
        counted = [item for item in stretch.items if item.key in new]
        before = [item for item in stretch.items if item.key not in new]
    _point(tx, counted, incident.id)
    joined = [item.event for item in counted]
    changes = joining(incident, joined, context, _judged(counted))
    if changes and incident.fold is not None:
        notes = tx.fingerprint_notes.of(event.fingerprint for event in joined) | result.notes
        news = reports_of(incident.fold, joined, notes, context)
        tracked = {report.fingerprint for report in incident.fold.reports}
        tracked |= {each.fingerprint for each in news if isinstance(each, ReportChanged)}
        tx.reports.put([(event.fingerprint, incident.id) for event in joined if event.fingerprint in tracked])
        changes += news
    if changes:
        tx.events.keep(_payloads(counted, incident.id, counted=incident.event_count))
        incident = commit(tx, incident, changes, by=SYSTEM, context=context)
    _stands(incident, result)
    if stretch.recovery is not None:
        _recover(tx, incident, stretch.recovery, context, result)
    return before


def _stands(incident: Incident, result: Triaged) -> None:
    result.standing[incident.fingerprint] = incident.id
    if incident.fold is not None:
        own = [report.fingerprint for report in incident.fold.reports]
        result.reported[incident.id] = [incident.fingerprint, *own]


def _recover(tx: Transaction, incident: Incident, item: Item, context: Context, result: Triaged) -> None:
    if item.key not in tx.events.add([(item.event, incident.id)]):
        return
    tx.events.keep(_payloads([item], incident.id, counted=0))
    if item.event.received_at < incident.created_at and not speaks_of(tx, incident, item.event.timestamp):
        # It speaks of an earlier incident of this fingerprint, which has ended before its recovery was read.
        noted(result.notes, item.event, None)
        return
    noted(result.notes, item.event, incident.id)
    told = recovering if incident.fold is None else said_over
    changes = told(incident, item.event, context)
    after = commit(tx, incident, changes, by=integration(item.event.source), context=context)
    if not after.is_open:
        result.ended.append(after)
        result.standing.pop(after.fingerprint, None)
        result.reported.pop(after.id, None)
    elif after.fold is not None:
        _stands(after, result)


def _without_latecomers(
    tx: Transaction,
    items: Sequence[Item],
    last: str | None,
    notes: Mapping[str, FingerprintNote],
    context: Context,
    result: Triaged,
) -> list[Item]:
    """Repeats that were answered with an incident which ended before they were triaged still belong to it.

    They were accepted while it was open: to open a new one for them would page somebody for trouble already solved. So
    do those that the recovery which ended it has overtaken.
    """
    named = [item for item in items if not item.record.opens and item.record.incident_id == last]
    passed = [item for item in items if last is not None and _was_passed(item.event, notes, last)]
    if last is None or not (named or passed):
        return list(items)
    incident = tx.incidents.get(last)
    ended = incident.resolved_at
    late = [item for item in named if ended is not None and item.event.received_at <= ended]
    if ended is not None:
        late += [item for item in passed if item not in late]
        _point(tx, passed, last)
        result.void += _reserved(passed)
    new = tx.events.add([(item.event, last) for item in late])
    counted = [item for item in late if item.key in new and not item.event.recovers]
    tx.events.keep(_payloads(counted, last, counted=incident.event_count))
    changes = joining(incident, [item.event for item in counted], context, _judged(counted))
    commit(tx, incident, changes, by=SYSTEM, context=context)
    return [item for item in items if item not in late]


def _was_passed(event: Event, notes: Mapping[str, FingerprintNote], ended: str | None = None) -> bool:
    """Whether a recovery overtook the event; with ``ended`` only the one that ended this incident."""
    note = notes.get(event.fingerprint)
    return note is not None and not event.recovers and note.overtook(event) and ended in (None, note.incident_id)


def _reserved(items: Iterable[Item]) -> list[tuple[str, str]]:
    """Return (fingerprint, id) of what was answered for these."""
    return [(item.fingerprint, item.record.incident_id) for item in items if item.record.incident_id is not None]


def _without_leading_recoveries(tx: Transaction, items: Sequence[Item], result: Triaged) -> list[Item]:
    """A recovery of nothing opens nothing; its identity is remembered, and its time: its alarm may come yet."""
    start = next((index for index, item in enumerate(items) if not item.event.recovers), len(items))
    if start:
        new = tx.events.add([(item.event, None) for item in items[:start]])
        for item in items[:start]:
            if item.key in new:
                noted(result.notes, item.event, None)
    return list(items[start:])


def _stretch(items: Sequence[Item]) -> tuple[_Group, list[Item]]:
    for index, item in enumerate(items):
        if item.event.recovers:
            return _Group(items=list(items[:index]), recovery=item), list(items[index + 1 :])
    return _Group(items=list(items)), []


def _point(tx: Transaction, items: Iterable[Item], incident_id: str | None) -> None:
    """Ids that were answered and stand for no incident become aliases of the one that counts the events.

    Not only reserved ones: whoever reserved the id may have failed after others were told that they join it.
    """
    answered = {item.record.incident_id for item in items} - {None, incident_id}
    if incident_id is None or not answered:
        return
    unused = sorted(filter(None, answered))
    known = tx.incidents.get_many(unused)
    for each in unused:
        if each not in known:
            tx.incidents.alias(each, incident_id)


def _judged(items: Sequence[Item]) -> list[Event]:
    return [item.judged or item.event for item in items]


def _payloads(items: Sequence[Item], incident_id: str, *, counted: int) -> list[StoredEvent]:
    kept: list[StoredEvent] = []
    for number, item in enumerate(items, start=counted):
        if item.record.kept and (number < KEEP_FIRST or number % KEEP_EVERY == 0):
            kept.append(_stored(item, incident_id))
    return kept


def _stored(item: Item, incident_id: str | None) -> StoredEvent:
    return StoredEvent(
        tenant=item.record.tenant,
        source=item.event.source,
        event_id=item.event.event_id,
        incident_id=incident_id,
        received_at=item.event.received_at,
        payload=msgspec.json.encode(item.event),
    )
