"""②③ Triage: a batch is classified and opens or joins incidents, each with route, first timer and pages, at once."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Protocol

import structlog

from llm_incident_manager.clock import Clock
from llm_incident_manager.domain.correlation.cross_keys import folding
from llm_incident_manager.domain.events.event import Event
from llm_incident_manager.domain.events.normalise import accept_document
from llm_incident_manager.engine.context import Contexts
from llm_incident_manager.engine.memory import OpenFingerprints
from llm_incident_manager.engine.pace import RepeatPace
from llm_incident_manager.engine.ports import Store, Transaction
from llm_incident_manager.engine.records import Damage, Entry, Position
from llm_incident_manager.engine.rows import DeadLetter
from llm_incident_manager.engine.sealing import Sealing, event_letter, with_sealed, without_sealed_key
from llm_incident_manager.engine.telemetry import Telemetry
from llm_incident_manager.engine.triage_batch import Item, Triaged, triage_batch
from llm_incident_manager.engine.waiting import Untriaged
from llm_incident_manager.errors import Conflict, Invalid, Unavailable
from llm_incident_manager.ids import IdSource, IncidentNumbers

log = structlog.get_logger("triage")
BATCH = 400
TRIED_TOGETHER = 100
"""How many that were in work at one restart are tried at once: one by one, a storm's batch would take minutes."""
REPEATS_FACTOR = 6
"""A batch with repeats may be so many times as long as one of openings, which cost more each."""
RESTARTS_BEFORE_DEAD_LETTER = 4
"""In its batch, in a smaller company, and twice alone: whatever kills a process from outside hits somebody in work,
but hardly the same one alone twice."""


class TriageJournal(Protocol):
    """What triage needs of the journal."""

    def take(self, limit: int, *, repeats: bool = True) -> list[Entry]: ...
    def done(self, positions: Sequence[Position]) -> None: ...
    def release(self, positions: Sequence[Position]) -> None: ...
    def mark_in_work(self, positions: Iterable[Position]) -> None: ...
    def clear_in_work(self, positions: Iterable[Position]) -> None: ...
    def restarts(self, position: Position) -> int: ...
    def lag_seconds(self) -> float: ...
    @property
    def accepted(self) -> int: ...
    @property
    def syncs(self) -> int: ...
    @property
    def damaged(self) -> list[Damage]: ...


class Triage:
    """The step from the journal to the database; ``run_once`` is one batch, the loop that repeats it lives in app."""

    def __init__(
        self,
        journal: TriageJournal,
        store: Store,
        contexts: Contexts,
        *,
        clock: Clock,
        numbers: IncidentNumbers,
        open_fingerprints: OpenFingerprints,
        untriaged: Untriaged,
        telemetry: Telemetry,
        ids: IdSource,
        enrich: Callable[[Event], Event] = lambda event: event,
        decoded: dict[Position, Event] | None = None,
        busy_seconds: Callable[[], float] = lambda: 0.0,
        sealing: Sealing | None = None,
    ) -> None:
        self._sealing = sealing or Sealing()
        self._journal = journal
        self._store = store
        self._contexts = contexts
        self._clock = clock
        self._numbers = numbers
        self._open = open_fingerprints
        self._untriaged = untriaged
        self._telemetry = telemetry
        self._ids = ids
        self._enrich = enrich
        self._decoded = decoded if decoded is not None else {}
        self._busy_seconds = busy_seconds
        self._pace = RepeatPace(lambda: journal.accepted, lambda: journal.syncs, journal.lag_seconds, busy_seconds)

    def takes_repeats(self) -> bool:
        """Whether the next batch may hold repeats."""
        return self._pace.due(self._clock.monotonic())

    async def run_once(self, limit: int = BATCH) -> int:
        """Triage one batch; returns how many records were worked off. Raises Unavailable while the database is away."""
        await self._keep_damage()
        now = self._clock.monotonic()
        repeats = self.takes_repeats()
        most = limit * (REPEATS_FACTOR if repeats else 1)
        entries = self._journal.take(most, repeats=repeats)
        if not entries:
            return 0
        # A full batch leaves some waiting: those are the next batch's, at once, and people's commands go in between.
        if repeats and len(entries) < most and any(not entry.record.opens for entry in entries):
            self._pace.flushed(now)
        started = self._clock.monotonic()
        try:
            await self._work_off(await self._without_suspects(entries))
        except BaseException:
            # Whatever happened, what is not in the database is taken again; what is done is not touched by this.
            self._journal.release([entry.position for entry in entries])
            raise
        finally:
            self._journal.clear_in_work([entry.position for entry in entries])
        ended = self._clock.monotonic()
        seconds = ended - started
        if repeats and len(entries) == most:
            self._pace.worked(ended, seconds)
        self._telemetry.observe("worker_processing_duration_seconds", None, seconds)
        return len(entries)

    async def _without_suspects(self, entries: list[Entry]) -> list[Entry]:
        """Return the entries that never were in work at a restart; those that were are tried apart, or buried."""
        suspects = [(entry, self._journal.restarts(entry.position)) for entry in entries]
        for company, restarts in _companies([each for each in suspects if each[1]]):
            places = [entry.position for entry in company]
            self._journal.mark_in_work(places)
            if restarts >= RESTARTS_BEFORE_DEAD_LETTER:
                await self._bury(company, "it was in work at two restarts in a row, alone")
            else:
                await self._work_off(company)
            self._journal.clear_in_work(places)
        unmarked = [entry for entry, restarts in suspects if not restarts]
        self._journal.mark_in_work([entry.position for entry in unmarked])
        return unmarked

    async def _work_off(self, entries: Sequence[Entry]) -> None:
        by_tenant: dict[str, list[Entry]] = {}
        for entry in entries:
            by_tenant.setdefault(entry.record.tenant, []).append(entry)
        for tenant, batch in by_tenant.items():
            await self._batch(tenant, batch)

    async def _batch(self, tenant: str, entries: Sequence[Entry]) -> None:
        try:
            await self._transact(tenant, entries)
        except Unavailable:
            raise
        except Conflict as race:
            # Somebody changed an incident between our look and our write: the events are as good as before.
            raise Unavailable(
                "another command was faster; the batch is taken again", retry_after_seconds=0.05
            ) from race
        except Exception as failure:
            if len(entries) > 1:
                # One bad record must not hold the others: halve until it stands alone.
                middle = len(entries) // 2
                await self._batch(tenant, entries[:middle])
                await self._batch(tenant, entries[middle:])
                return
            log.exception("triage_failed", tenant=tenant, incident_id=entries[0].record.incident_id)
            await self._bury(entries, f"triage failed: {type(failure).__name__}")

    async def _transact(self, tenant: str, entries: Sequence[Entry]) -> None:
        items = [item for entry in entries if (item := self._item(entry)) is not None]
        context = self._contexts(tenant)

        def work(tx: Transaction) -> Triaged:
            began = self._busy_seconds()
            result = triage_batch(tx, items, context, self._reserve)
            if not result.opened:  # openings cost more each, and never wait for anything
                self._pace.took(self._busy_seconds() - began, len(items))
            return result

        result = await self._store.transact(tenant, work, background=True)
        self._journal.done([entry.position for entry in entries])
        for item in items:
            if item.record.opens and item.record.incident_id is not None:
                self._open.ended(tenant, item.event.mark, item.record.incident_id)
        self._after(tenant, entries, result)

    def _after(self, tenant: str, entries: Sequence[Entry], result: Triaged) -> None:
        for incident in result.opened:
            self._open.put(tenant, incident.fingerprint, incident.id)
            self._telemetry.count(
                "incidents_created_total",
                {"severity": incident.severity.value, "category": incident.category.value},
            )
            if incident.times.mttd is not None:
                self._telemetry.observe("incident_mttd_seconds", None, incident.times.mttd)
        for incident_id, fingerprints in result.reported.items():
            self._open.report(tenant, fingerprints, incident_id)
        for fingerprint, reserved in result.void:
            self._open.drop(tenant, fingerprint, reserved)
        for incident in result.ended:
            self._open.drop(tenant, incident.fingerprint, incident.id)
        for fingerprint, incident_id in result.standing.items():
            self._open.put(tenant, fingerprint, incident_id)
        for entry in entries:
            self._decoded.pop(entry.position, None)
            if entry.record.opens and entry.record.incident_id is not None:
                self._untriaged.done(entry.record.incident_id)

    def _read(self, entry: Entry) -> Event:
        received = datetime.fromtimestamp(0, UTC) + timedelta(microseconds=entry.record.received_at)
        sources = self._contexts(entry.record.tenant).settings.sources
        try:
            return accept_document(entry.record.body, tenant=entry.record.tenant, received_at=received, sources=sources)
        except Invalid as invalid:
            # It was valid when it was answered: settings may have changed since. Read it without them.
            return _read_again(entry, received, invalid)

    def _item(self, entry: Entry) -> Item | None:
        event = self._decoded.get(entry.position)
        if event is None:
            event = self._read(entry)
            if entry.record.sealed is not None:
                event = with_sealed(event, entry.record.sealed)
            keys = self._contexts(entry.record.tenant).settings.cross_keys
            if keys:
                event = without_sealed_key(folding(event, keys, entry.record.tenant))
        event = self._enrich(event)
        # Rules look at what was sent; all that is kept is made of the event whose members are encrypted.
        judged = self._sealing.opened(event, entry.record.tenant) if event.sealed else None
        return Item(event=event, record=entry.record, judged=judged)

    def _letter_body(self, entry: Entry) -> bytes:
        """Return what is kept of an event that cannot be triaged, with what of it is encrypted."""
        if entry.record.sealed is None:
            return entry.record.body
        try:
            return event_letter(with_sealed(self._read(entry), entry.record.sealed))
        except Invalid:
            return entry.record.body

    def _reserve(self, at: datetime) -> str:
        return self._numbers.reserve(at.date())

    async def _keep_damage(self) -> None:
        for damage in list(self._journal.damaged):
            letter = DeadLetter(
                id=self._ids.new("dl"),
                tenant="default",
                at=self._clock.now(),
                source="journal",
                reason=f"unreadable journal bytes: {damage.reason}",
                retriable=False,
                body=damage.data,
            )
            await self._keep(letter)
            self._journal.done([damage.position])

    async def _keep(self, letter: DeadLetter) -> None:
        await self._store.transact(letter.tenant, lambda tx: tx.dead_letters.add([letter]))

    async def _bury(self, entries: Sequence[Entry], reason: str) -> None:
        for entry in entries:
            letter = DeadLetter(
                id=self._ids.new("dl"),
                tenant=entry.record.tenant,
                at=self._clock.now(),
                source="triage",
                reason=reason,
                retriable=True,
                body=self._letter_body(entry),
            )
            await self._keep(letter)
            self._journal.done([entry.position])
            if entry.record.opens and entry.record.incident_id is not None:
                self._untriaged.done(entry.record.incident_id)


def _companies(suspects: Sequence[tuple[Entry, int]]) -> Iterator[tuple[list[Entry], int]]:
    """Yield what is tried together, in order: after one restart some, after more each alone."""
    company: list[Entry] = []
    for entry, restarts in suspects:
        if restarts == 1:
            company.append(entry)
        if company and (restarts > 1 or len(company) == TRIED_TOGETHER):
            yield company, 1
            company = []
        if restarts > 1:
            yield [entry], restarts
    if company:
        yield company, 1


def _read_again(entry: Entry, received: datetime, invalid: Invalid) -> Event:
    try:
        return accept_document(entry.record.body, tenant=entry.record.tenant, received_at=received)
    except Invalid:
        raise invalid from None
