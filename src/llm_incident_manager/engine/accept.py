"""① Event accepted: identity, rate, fingerprint, incident id, journal; only then the answer (ING-01, ING-05 to 08)."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Protocol

from llm_incident_manager.clock import Clock
from llm_incident_manager.domain.events.document import batch_of, decode_batch, peek
from llm_incident_manager.domain.events.event import Event
from llm_incident_manager.domain.events.normalise import accept_plain
from llm_incident_manager.domain.vocabulary import Scope
from llm_incident_manager.engine.admission import Admission, redacted_body
from llm_incident_manager.engine.arrival import Admitted, Arrival, Arrived
from llm_incident_manager.engine.caller import Caller
from llm_incident_manager.engine.context import Contexts
from llm_incident_manager.engine.memory import Identity, OpenFingerprints, SeenEvents
from llm_incident_manager.engine.ports import Store
from llm_incident_manager.engine.rate_port import SharedWindows
from llm_incident_manager.engine.receipts import BatchReceipt as BatchReceipt
from llm_incident_manager.engine.receipts import Receipt as Receipt
from llm_incident_manager.engine.receipts import batch_receipt, duplicate, rejected
from llm_incident_manager.engine.records import Position, Record
from llm_incident_manager.engine.refused_events import RefusedEvents
from llm_incident_manager.engine.rows import DeadLetter, LetterRequest
from llm_incident_manager.engine.sealing import Sealing
from llm_incident_manager.engine.settings import TenantSettings
from llm_incident_manager.engine.source_gate import SourceGate
from llm_incident_manager.engine.source_rate import SourceRate
from llm_incident_manager.engine.source_traffic import SourceTraffic
from llm_incident_manager.engine.telemetry import Telemetry
from llm_incident_manager.engine.waiting import Untriaged
from llm_incident_manager.errors import Forbidden, IncidentManagerError, Invalid, RateLimited, Unavailable
from llm_incident_manager.ids import IdSource, IncidentNumbers


class IntakeJournal(Protocol):
    """What the intake needs of the journal."""

    async def append(self, records: Sequence[Record]) -> list[Position]: ...

    def append_nowait(
        self, records: Sequence[Record], answer: Callable[[list[Position] | Unavailable], None]
    ) -> None: ...

    def lag_seconds(self) -> float: ...


class Intake:
    """Accepts events durably: when it returns, they survive the process and the power."""

    def __init__(
        self,
        journal: IntakeJournal,
        store: Store,
        contexts: Contexts,
        *,
        clock: Clock,
        numbers: IncidentNumbers,
        open_fingerprints: OpenFingerprints,
        seen: SeenEvents,
        untriaged: Untriaged,
        telemetry: Telemetry,
        ids: IdSource,
        shared_windows: SharedWindows | None = None,
        sealing: Sealing | None = None,
    ) -> None:
        self._journal = journal
        self._store = store
        self._contexts = contexts
        self._clock = clock
        self._seen = seen
        self._sealing = sealing or Sealing()
        self._letters = RefusedEvents(store, ids, self._sealing)
        self.traffic = SourceTraffic(clock, telemetry)
        self._gate = SourceGate(contexts, self.traffic)
        self.rate = SourceRate(self._gate, clock.monotonic, shared_windows)
        self._admission = Admission(
            gate=self._gate,
            rate=self.rate,
            lag_seconds=journal.lag_seconds,
            numbers=numbers,
            open_fingerprints=open_fingerprints,
            seen=seen,
            untriaged=untriaged,
            sealing=self._sealing,
        )
        self.decoded = self._admission.decoded

    async def accept_any(self, body: bytes, caller: Caller) -> Receipt | BatchReceipt:
        """Accept one event, or a batch (§6.3's envelope, or a list)."""
        caller.require(Scope.INGEST)
        batch = batch_of(body)
        if batch is None:
            return await self.accept(body, caller)
        return await self.accept_items(batch.items, caller, batch_id=batch.batch_id)

    async def accept(self, body: bytes, caller: Caller) -> Receipt:
        """Accept one event.

        Raises Invalid naming every field at fault, Forbidden, RateLimited, or Unavailable where it cannot be stored.
        """
        caller.require(Scope.INGEST)
        arrival = Arrival.of(self._clock)
        settings = self._contexts(caller.tenant).settings
        try:
            arrived = self._admission.read(body, caller, arrival.now, settings)
        except Invalid:
            self._gate.refused(caller, peek(body).source, "invalid")
            raise
        known = await self._known_or_granted(arrived, caller, arrival, settings)
        if known is not None:
            return known
        admitted = self._admission.admit(arrived, caller, arrival, settings)
        try:
            (position,) = await self._journal.append([admitted.record])
        except BaseException as failure:
            self._not_stored([admitted], caller, failure)
            raise
        self._gate.accepted(caller, arrived.event.source, 1)
        return self._admission.settle(admitted, position)

    def accept_soon(self, body: bytes, caller: Caller, answer: Callable[[Receipt | Unavailable], None]) -> bool:
        """Accept one event without anybody waiting: ``answer`` is called once it is durable, or known before.

        Returns false, with nothing done, where the database must be asked or somebody be waited for, and for anything
        but one plain event without a fault: then :meth:`accept_any` is the way. Raises as :meth:`accept` does, but
        Invalid; ``answer`` is not called then.
        """
        caller.require(Scope.INGEST)
        arrival = Arrival.of(self._clock)
        settings = self._contexts(caller.tenant).settings
        event = accept_plain(body, tenant=caller.tenant, received_at=arrival.now, sources=settings.sources)
        if event is None:
            return False
        self._gate.require_open(caller, event.source, settings.sources)
        arrived = self._admission.arrived(event, body, caller, arrival.now, settings)
        identity = arrived.identity
        if not self._seen.is_new(identity):
            recent, incident_id = self._seen.lookup(identity)
            if recent:
                answer(duplicate(event, incident_id))
            return recent
        if self._must_ask(arrived.event, caller, arrival, settings):
            return False
        admitted = self._admission.admit(arrived, caller, arrival, settings)

        def stored(outcome: list[Position] | Unavailable) -> None:
            if isinstance(outcome, Unavailable):
                self._not_stored([admitted], caller, outcome)
                answer(outcome)
            else:
                self._gate.accepted(caller, event.source, 1)
                answer(self._admission.settle(admitted, outcome[0]))

        try:
            self._journal.append_nowait([admitted.record], stored)
        except BaseException:
            self._admission.withdraw(admitted)
            raise
        return True

    async def accept_batch(self, body: bytes, caller: Caller) -> BatchReceipt:
        """Accept a batch; a bad event is answered with its faults and kept as a dead letter, the others are accepted.

        All that is good becomes durable together. Raises Invalid only where the batch as a whole cannot be read, or is
        empty; Unavailable where it cannot be stored: then it may be sent again, whatever of it was stored before.
        """
        caller.require(Scope.INGEST)
        batch = decode_batch(body)
        return await self.accept_items(batch.items, caller, batch_id=batch.batch_id)

    async def accept_items(
        self, items: Sequence[bytes], caller: Caller, *, batch_id: str | None = None, each: bool = False
    ) -> BatchReceipt:
        """Accept events that were taken apart already, each as JSON text, as :meth:`accept_batch` does; none is fine.

        What is rejected carries its ``refusal``, so that a door that answers for the whole can raise it. With ``each``
        (a stream) one that must wait its turn is rejected too, and holds up nobody behind it.
        """
        receipts = await self.accept_each(items, caller, all_or_none=not each)
        await self.keep_rejected(zip(items, receipts, strict=True), caller)
        return batch_receipt(batch_id, receipts)

    async def accept_each(self, items: Sequence[bytes], caller: Caller, *, all_or_none: bool = True) -> list[Receipt]:
        """Accept events together, answering each; what is wrong, or over its rate, is rejected by itself.

        Raises Unavailable where it cannot be stored. A repeat that must wait because too much waits already refuses
        all, unless ``all_or_none`` is false: then it is rejected like the others.
        """
        caller.require(Scope.INGEST)
        arrival = Arrival.of(self._clock)
        now, settings = arrival.now, self._contexts(caller.tenant).settings
        receipts: list[Receipt | None] = []
        waiting: list[tuple[int, Admitted]] = []
        mine: dict[Identity, int] = {}
        refusals: tuple[type[IncidentManagerError], ...] = (RateLimited,) if all_or_none else (RateLimited, Unavailable)
        try:
            for item in items:
                try:
                    arrived = self._admission.read(item, caller, now, settings)
                    event, identity = arrived.event, arrived.identity
                    if identity in mine:
                        first = next(each for place, each in waiting if place == mine[identity])
                        receipts.append(duplicate(event, first.record.incident_id))
                        continue
                    if not self._seen.is_new(identity) or self._must_ask(event, caller, arrival, settings):
                        # Nobody who waits for others keeps others waiting: what was gathered is stored first.
                        await self._store_gathered(waiting, receipts, caller)
                        mine.clear()
                        at_once = len(items) - len(receipts)
                        known = await self._known_or_granted(arrived, caller, arrival, settings, at_once)
                        if known is not None:
                            receipts.append(known)
                            continue
                    try:
                        admitted = self._admission.admit(arrived, caller, arrival, settings)
                    except refusals as refused:
                        receipts.append(rejected(event.event_id, refused))
                        continue
                    waiting.append((len(receipts), admitted))
                    mine[identity] = len(receipts)
                    receipts.append(None)
                except (Invalid, Forbidden) as refused:
                    name = peek(item)
                    receipts.append(rejected(name.event_id, refused))
                    if isinstance(refused, Invalid):
                        self._gate.refused(caller, name.source, "invalid")
            await self._store_gathered(waiting, receipts, caller)
        except BaseException as failure:
            self._not_stored([admitted for _, admitted in waiting], caller, failure)
            raise
        return [receipt for receipt in receipts if receipt is not None]

    async def keep_rejected(
        self, answered: Iterable[tuple[bytes, Receipt]], caller: Caller, *, durably: bool = False
    ) -> None:
        """Keep as dead letters what of a batch was wrong: its sender may never look at the answers.

        With ``durably`` they are kept when this returns; raises Unavailable where they cannot be.
        """
        now = self._clock.now()
        bad = [
            self._letter(item, caller, peek(item).source, receipt.refusal, now)
            for item, receipt in answered
            if isinstance(receipt.refusal, Invalid)
        ]
        if bad:
            await self._letters.keep(caller.tenant, bad, durably=durably)

    def count_refused(self, caller: Caller, source: str) -> None:
        """Count a request that could not be read."""
        self._gate.refused(caller, source, "invalid")

    async def keep_refused(
        self,
        body: bytes,
        caller: Caller,
        source: str,
        refused: Invalid,
        request: LetterRequest | None = None,
        *,
        durably: bool = False,
    ) -> None:
        """Keep a whole request that ``source`` could not make sound events of, as a dead letter.

        With ``durably`` it is kept when this returns; raises Unavailable where it cannot be.
        """
        letter = self._letter(body, caller, source, refused, self._clock.now(), request)
        await self._letters.keep(caller.tenant, [letter], durably=durably)

    def _letter(
        self,
        body: bytes,
        caller: Caller,
        source: str | None,
        refused: Invalid,
        at: datetime,
        request: LetterRequest | None = None,
    ) -> DeadLetter:
        settings = self._contexts(caller.tenant).settings
        name = source or caller.source
        kept = redacted_body(settings, name, body)
        own = settings.sources.get(name or "")
        letter = self._letters.letter(kept, caller.tenant, source, refused, at, request)
        return self._letters.sealed(letter) if own is not None and own.encrypt else letter

    def require_open(self, caller: Caller, source: str) -> None:
        """Raise Forbidden where ``caller`` may not send for ``source`` now (:class:`SourceGate`)."""
        self._gate.require_open(caller, source, self._contexts(caller.tenant).settings.sources)

    async def _store_gathered(
        self, waiting: list[tuple[int, Admitted]], receipts: list[Receipt | None], caller: Caller
    ) -> None:
        if not waiting:
            return
        positions = await self._journal.append([admitted.record for _, admitted in waiting])
        for (place, admitted), position in zip(waiting, positions, strict=True):
            receipts[place] = self._admission.settle(admitted, position)
        for source, number in Counter([admitted.event.source for _, admitted in waiting]).items():
            self._gate.accepted(caller, source, number)
        waiting.clear()

    def _not_stored(self, admitted: Sequence[Admitted], caller: Caller, failure: BaseException) -> None:
        for each in admitted:
            self._admission.withdraw(each)
            if isinstance(failure, Unavailable):
                self._gate.refused(caller, each.event.source, "not_stored")

    def _must_ask(self, event: Event, caller: Caller, arrival: Arrival, settings: TenantSettings) -> bool:
        if not self.rate.is_shared:
            return False
        joins = self._admission.joins(event, caller.tenant)
        return self.rate.must_ask(event, caller, joins, arrival.monotonic, settings)

    async def _known_or_granted(
        self, arrived: Arrived, caller: Caller, arrival: Arrival, settings: TenantSettings, at_once: int = 1
    ) -> Receipt | None:
        """Return the answer to an event that was counted before, or ``None`` once it can be decided on without waiting.

        ``at_once`` is how many events are to be decided on together.
        """
        event, identity = arrived.event, arrived.identity
        while True:
            if not self._seen.is_new(identity):
                known = await self._known_before(event, identity)
                if known is not None:
                    return known
            if not self._must_ask(event, caller, arrival, settings):
                return None
            joins = self._admission.joins(event, caller.tenant)
            await self.rate.ask(event, caller, joins, arrival.monotonic, settings, at_once)

    async def _known_before(self, event: Event, identity: Identity) -> Receipt | None:
        """Return the answer to an event that was counted before; waits while the same one is being made durable."""
        while True:
            known, incident_id = await self._known(identity)
            if known:
                return duplicate(event, incident_id)
            waiting = self._seen.under_way(identity)
            if waiting is None:
                return None
            await waiting

    async def _known(self, identity: Identity) -> tuple[bool, str | None]:
        recent, incident_id = self._seen.lookup(identity)
        if recent or not self._seen.perhaps(identity):
            return recent, incident_id
        tenant, source, event_id = identity
        try:
            known = await self._store.read(tenant, lambda tx: tx.events.known([(source, event_id)]))
        except Unavailable:
            # The database is away: the journal takes it, and triage counts each identity once.
            return self._seen.lookup(identity)
        if (source, event_id) not in known:
            # Somebody else may have sent the same while the database was asked.
            return self._seen.lookup(identity)
        return True, known[(source, event_id)]
