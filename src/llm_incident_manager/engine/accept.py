"""① Event accepted: identity, rate, fingerprint, incident id, journal; only then the answer (ING-01, ING-05 to 08)."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Protocol

from llm_incident_manager.clock import Clock
from llm_incident_manager.domain.events.document import batch_of, decode_batch, peek
from llm_incident_manager.domain.events.event import Event
from llm_incident_manager.domain.events.normalise import accept_document, accept_plain
from llm_incident_manager.domain.events.redact import redact_body
from llm_incident_manager.domain.vocabulary import Scope
from llm_incident_manager.engine.arrival import Admitted, Arrival
from llm_incident_manager.engine.caller import Caller
from llm_incident_manager.engine.context import Contexts
from llm_incident_manager.engine.memory import Identity, OpenFingerprints, SeenEvents
from llm_incident_manager.engine.ports import Store
from llm_incident_manager.engine.receipts import BatchReceipt as BatchReceipt
from llm_incident_manager.engine.receipts import Receipt as Receipt
from llm_incident_manager.engine.receipts import batch_receipt, duplicate, rejected
from llm_incident_manager.engine.records import Position, Record
from llm_incident_manager.engine.refused_events import RefusedEvents
from llm_incident_manager.engine.rows import DeadLetter, LetterRequest
from llm_incident_manager.engine.settings import TenantSettings
from llm_incident_manager.engine.source_gate import SourceGate
from llm_incident_manager.engine.source_rate import SourceRate
from llm_incident_manager.engine.telemetry import Telemetry
from llm_incident_manager.engine.waiting import Untriaged
from llm_incident_manager.errors import Forbidden, IncidentManagerError, Invalid, RateLimited, Unavailable
from llm_incident_manager.ids import IdSource, IncidentNumbers

MAX_LAG_SECONDS = 10.0
"""Above this lag repeats are answered 503: the lag is bounded, not only the bytes."""
LAG_LOOK_SECONDS = 0.05
"""How often the lag is asked for while events stream in; nobody is refused without asking."""
MAX_DECODED = 20_000


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
    ) -> None:
        self._journal = journal
        self._store = store
        self._contexts = contexts
        self._clock = clock
        self._numbers = numbers
        self._open = open_fingerprints
        self._seen = seen
        self._untriaged = untriaged
        self._telemetry = telemetry
        self._letters = RefusedEvents(store, ids)
        self._gate = SourceGate(contexts, telemetry)
        self._rate = SourceRate(telemetry, self._gate)
        self._lag_seconds = 0.0
        self._lag_asked = float("-inf")
        self.decoded: dict[Position, Event] = {}

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
        event = self.read_single(body, caller, arrival.now, settings)
        return await self._accept_event(event, body, caller, arrival, settings)

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
        identity = (caller.tenant, event.source, event.event_id)
        if not self._seen.is_new(identity):
            recent, incident_id = self._seen.lookup(identity)
            if recent:
                answer(duplicate(event, incident_id))
            return recent
        admitted = self.admit(event, body, caller, arrival, identity, settings)

        def stored(outcome: list[Position] | Unavailable) -> None:
            if isinstance(outcome, Unavailable):
                self.withdraw(admitted)
                answer(outcome)
            else:
                self._count_accepted(event.source, 1)
                answer(self.settle(admitted, outcome[0]))

        try:
            self._journal.append_nowait([admitted.record], stored)
        except BaseException:
            self.withdraw(admitted)
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
                    event = self._read(item, caller, now, settings)
                    identity = (caller.tenant, event.source, event.event_id)
                    if identity in mine:
                        first = next(each for place, each in waiting if place == mine[identity])
                        receipts.append(duplicate(event, first.record.incident_id))
                        continue
                    if not self._seen.is_new(identity):
                        # Nobody who waits for others keeps others waiting: what was gathered is stored first.
                        await self._store_gathered(waiting, receipts)
                        mine.clear()
                        known = await self._known_before(event, identity)
                        if known is not None:
                            receipts.append(known)
                            continue
                    try:
                        admitted = self.admit(event, item, caller, arrival, identity, settings)
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
            await self._store_gathered(waiting, receipts)
        except BaseException:
            for _, admitted in waiting:
                self.withdraw(admitted)
            raise
        return [receipt for receipt in receipts if receipt is not None]

    async def keep_rejected(self, answered: Iterable[tuple[bytes, Receipt]], caller: Caller) -> None:
        """Keep as dead letters what of a batch was wrong: its sender may never look at the answers."""
        now = self._clock.now()
        bad = [
            self._letter(item, caller, peek(item).source, receipt.refusal, now)
            for item, receipt in answered
            if isinstance(receipt.refusal, Invalid)
        ]
        if bad:
            await self._letters.keep(caller.tenant, bad)

    def count_refused(self, caller: Caller, source: str) -> None:
        """Count a request that could not be read."""
        self._gate.refused(caller, source, "invalid")

    async def keep_refused(
        self, body: bytes, caller: Caller, source: str, refused: Invalid, request: LetterRequest | None = None
    ) -> None:
        """Keep a whole request that ``source`` could not make sound events of, as a dead letter."""
        letter = self._letter(body, caller, source, refused, self._clock.now(), request)
        await self._letters.keep(caller.tenant, [letter])

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
        kept = _redacted(settings, source or caller.source, body)
        return self._letters.letter(kept, caller.tenant, source, refused, at, request)

    def require_open(self, caller: Caller, source: str) -> None:
        """Raise Forbidden where ``caller`` may not send for ``source`` now (:class:`SourceGate`)."""
        self._gate.require_open(caller, source, self._contexts(caller.tenant).settings.sources)

    async def _store_gathered(self, waiting: list[tuple[int, Admitted]], receipts: list[Receipt | None]) -> None:
        if not waiting:
            return
        positions = await self._journal.append([admitted.record for _, admitted in waiting])
        for (place, admitted), position in zip(waiting, positions, strict=True):
            receipts[place] = self.settle(admitted, position)
        for source, number in Counter([admitted.event.source for _, admitted in waiting]).items():
            self._count_accepted(source, number)
        waiting.clear()

    def read_single(self, body: bytes, caller: Caller, now: datetime, settings: TenantSettings) -> Event:
        """Return the event in ``body``; raises Invalid or Forbidden, and counts that."""
        try:
            return self._read(body, caller, now, settings)
        except Invalid:
            self._gate.refused(caller, peek(body).source, "invalid")
            raise

    def _read(self, body: bytes, caller: Caller, now: datetime, settings: TenantSettings) -> Event:
        event = accept_document(body, tenant=caller.tenant, received_at=now, sources=settings.sources)
        self._gate.require_open(caller, event.source, settings.sources)
        return event

    async def _accept_event(
        self, event: Event, body: bytes, caller: Caller, arrival: Arrival, settings: TenantSettings
    ) -> Receipt:
        identity = (caller.tenant, event.source, event.event_id)
        if not self._seen.is_new(identity):
            known = await self._known_before(event, identity)
            if known is not None:
                return known
        admitted = self.admit(event, body, caller, arrival, identity, settings)
        try:
            (position,) = await self._journal.append([admitted.record])
        except BaseException:
            self.withdraw(admitted)
            raise
        self._count_accepted(event.source, 1)
        return self.settle(admitted, position)

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

    def admit(
        self,
        event: Event,
        body: bytes,
        caller: Caller,
        arrival: Arrival,
        identity: Identity,
        settings: TenantSettings,
    ) -> Admitted:
        """Let a new event in and give it its incident's id; :meth:`settle` or :meth:`withdraw` must follow.

        Raises RateLimited, or Unavailable where too much is waiting already.
        """
        tenant = caller.tenant
        redacted = _redacted(settings, event.source, body)
        if redacted is not body:
            body, sources = redacted, self._contexts(tenant).settings.sources
            event = accept_document(body, tenant=tenant, received_at=arrival.now, sources=sources)
        joined = None if event.is_change else self._open.get(tenant, event.fingerprint)
        kept = self._rate.admit(event, caller, joined is not None, arrival.monotonic, settings)
        if joined is not None and self._lag(arrival.monotonic) > MAX_LAG_SECONDS:
            self._gate.refused(caller, event.source, "lagging")
            raise Unavailable("more is waiting than can be worked off now; send it again", code="lagging")
        # A recovery of nothing too: the alarm that it overtook must find it triaged.
        opens = joined is None and not event.is_change
        incident_id = joined
        if opens and not event.recovers:
            incident_id = self._numbers.reserve(arrival.day)
            self._open.put(tenant, event.fingerprint, incident_id)
            self._untriaged.add(incident_id)
        elif event.recovers and incident_id is not None:
            # What comes after it must not be counted for what is over: it is triaged in order with what opens.
            opens = True
            self._open.end(tenant, event.fingerprint, incident_id)
        self._seen.begin(identity)
        record = Record(
            received_at=arrival.microseconds,
            tenant=tenant,
            source_key=caller.key_id,
            incident_id=incident_id,
            opens=opens,
            body=body,
            kept=kept,
        )
        return Admitted(event, identity, record)

    def settle(self, admitted: Admitted, position: Position) -> Receipt:
        """Know an event that the journal holds now, and return its answer."""
        event, incident_id = admitted.event, admitted.record.incident_id
        self._seen.add(admitted.identity, incident_id)
        self._seen.end(admitted.identity)
        if len(self.decoded) < MAX_DECODED:
            self.decoded[position] = event
        return Receipt("accepted", event.event_id, incident_id)

    def withdraw(self, admitted: Admitted) -> None:
        """Take back what an event was given that could not be stored."""
        record = admitted.record
        if record.opens and record.incident_id is not None:
            fingerprint = admitted.event.fingerprint
            if admitted.event.recovers:
                self._open.goes_on(record.tenant, fingerprint, record.incident_id)
            else:
                self._open.drop(record.tenant, fingerprint, record.incident_id)
                self._untriaged.done(record.incident_id)
        self._seen.end(admitted.identity)

    def _lag(self, now: float) -> float:
        if now - self._lag_asked >= LAG_LOOK_SECONDS or self._lag_seconds > MAX_LAG_SECONDS:
            self._lag_seconds = self._journal.lag_seconds()
            self._lag_asked = now
        return self._lag_seconds

    def _count_accepted(self, source: str, number: int) -> None:
        self._telemetry.count("integration_requests_total", (("source", source),), number)


def _redacted(settings: TenantSettings, source: str | None, body: bytes) -> bytes:
    """Return what of ``body`` may be kept; the very same object where its source asks for nothing."""
    own = settings.sources.get(source or "")
    return redact_body(body, own.redact) if own is not None and own.redact else body
