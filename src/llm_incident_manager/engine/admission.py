"""① Letting one event in: gate, rate, lag, its incident's id, its journal record. Nothing here waits for anybody.

Whoever has to wait first (a shared limit, the same event on its way) does so before: between looking and letting in no
other request may come.
"""

from collections.abc import Callable
from datetime import datetime

from llm_incident_manager.domain.correlation.cross_keys import folding
from llm_incident_manager.domain.events.event import Event
from llm_incident_manager.domain.events.normalise import accept_document
from llm_incident_manager.domain.events.redact import redact_body
from llm_incident_manager.domain.events.sealed_path import Sealed
from llm_incident_manager.engine.arrival import Admitted, Arrival, Arrived
from llm_incident_manager.engine.caller import Caller
from llm_incident_manager.engine.memory import OpenFingerprints, SeenEvents
from llm_incident_manager.engine.receipts import COUNTED, QUEUED, Receipt
from llm_incident_manager.engine.records import Position, Record
from llm_incident_manager.engine.sealing import Sealing, without_sealed_key
from llm_incident_manager.engine.settings import TenantSettings
from llm_incident_manager.engine.source_gate import SourceGate
from llm_incident_manager.engine.source_rate import SourceRate
from llm_incident_manager.engine.waiting import Untriaged
from llm_incident_manager.errors import Unavailable
from llm_incident_manager.ids import IncidentNumbers

MAX_LAG_SECONDS = 10.0
"""Above this lag repeats are answered 503: the lag is bounded, not only the bytes."""
LAG_LOOK_SECONDS = 0.05
"""How often the lag is asked for while events stream in; nobody is refused without asking."""
MAX_DECODED = 20_000


class Admission:
    """Lets events in. What was let in must be settled or withdrawn."""

    def __init__(
        self,
        *,
        gate: SourceGate,
        rate: SourceRate,
        lag_seconds: Callable[[], float],
        numbers: IncidentNumbers,
        open_fingerprints: OpenFingerprints,
        seen: SeenEvents,
        untriaged: Untriaged,
        sealing: Sealing,
    ) -> None:
        self._gate = gate
        self._rate = rate
        self._ask_lag = lag_seconds
        self._numbers = numbers
        self._open = open_fingerprints
        self._seen = seen
        self._untriaged = untriaged
        self._sealing = sealing
        self._lag_seconds = 0.0
        self._lag_asked = float("-inf")
        self.decoded: dict[Position, Event] = {}
        """Events as they were read, for triage; what is missing is read from the journal again."""

    def joins(self, event: Event, tenant: str) -> bool:
        """Whether an incident of its fingerprint, or of its cross-source key, is open."""
        return not event.is_change and self._open.joined(tenant, event) is not None

    def read(self, body: bytes, caller: Caller, now: datetime, settings: TenantSettings) -> Arrived:
        """Return the event in ``body``, as it may be kept; raises Invalid, or Forbidden (:class:`SourceGate`)."""
        event = accept_document(body, tenant=caller.tenant, received_at=now, sources=settings.sources)
        self._gate.require_open(caller, event.source, settings.sources)
        return self.arrived(event, body, caller, now, settings)

    def arrived(self, event: Event, body: bytes, caller: Caller, now: datetime, settings: TenantSettings) -> Arrived:
        """Return an event as it may be kept; its source may send it.

        Raises Unavailable where something is to be encrypted and there is no key.
        """
        own = settings.sources.get(event.source)
        kept = body
        if own is not None and own.redact:
            kept = redact_body(body, own.redact)
        if kept is not body:
            event = accept_document(kept, tenant=caller.tenant, received_at=now, sources=settings.sources)
        identity = (caller.tenant, event.source, event.event_id)
        sealed: Sealed | None = None
        if own is not None and own.encrypt:
            try:
                event, kept, sealed = self._sealing.seal(
                    event, own, caller.tenant, now, lambda each: self._open.get(caller.tenant, each) is not None
                )
            except Unavailable as missing:
                self._gate.refused(caller, event.source, missing.code)
                raise
        if settings.cross_keys:
            event = without_sealed_key(folding(event, settings.cross_keys, caller.tenant))
        return Arrived(event, kept, identity, sealed)

    def admit(self, arrived: Arrived, caller: Caller, arrival: Arrival, settings: TenantSettings) -> Admitted:
        """Let a new event in and give it its incident's id; :meth:`settle` or :meth:`withdraw` must follow.

        Raises RateLimited, or Unavailable where too much is waiting already.
        """
        tenant, event = caller.tenant, arrived.event
        joined = None if event.is_change else self._open.joined(tenant, event)
        kept = self._rate.admit(event, caller, joined is not None, arrival.monotonic, settings)
        if joined is not None and self._lag(arrival.monotonic) > MAX_LAG_SECONDS:
            self._gate.refused(caller, event.source, "lagging")
            raise Unavailable("more is waiting than can be worked off now; send it again", code="lagging")
        # A recovery of nothing too: the alarm that it overtook must find it triaged.
        opens = joined is None and not event.is_change
        incident_id = joined
        if opens and not event.recovers:
            incident_id = self._numbers.reserve(arrival.day)
            self._open.put(tenant, event.mark, incident_id)
            self._untriaged.add(incident_id)
        elif event.recovers and incident_id is not None:
            # What comes after it must not be counted for what is over: it is triaged in order with what opens.
            opens = True
            self._open.end(tenant, event.mark, incident_id)
        self._seen.begin(arrived.identity)
        record = Record(
            received_at=arrival.microseconds,
            tenant=tenant,
            source_key=caller.key_id,
            incident_id=incident_id,
            opens=opens,
            body=arrived.body,
            kept=kept,
            sealed=arrived.sealed,
        )
        return Admitted(event, arrived.identity, record)

    def settle(self, admitted: Admitted, position: Position) -> Receipt:
        """Know an event that the journal holds now, and return its answer."""
        event, incident_id = admitted.event, admitted.record.incident_id
        self._seen.add(admitted.identity, incident_id)
        self._seen.end(admitted.identity)
        if len(self.decoded) < MAX_DECODED:
            self.decoded[position] = event
        message = QUEUED if admitted.record.kept else COUNTED
        return Receipt("accepted", event.event_id, incident_id, message)

    def withdraw(self, admitted: Admitted) -> None:
        """Take back what an event was given that could not be stored."""
        record = admitted.record
        if record.opens and record.incident_id is not None:
            fingerprint = admitted.event.mark
            if admitted.event.recovers:
                self._open.goes_on(record.tenant, fingerprint, record.incident_id)
            else:
                self._open.drop(record.tenant, fingerprint, record.incident_id)
                self._untriaged.done(record.incident_id)
        self._seen.end(admitted.identity)

    def _lag(self, now: float) -> float:
        if now - self._lag_asked >= LAG_LOOK_SECONDS or self._lag_seconds > MAX_LAG_SECONDS:
            self._lag_seconds = self._ask_lag()
            self._lag_asked = now
        return self._lag_seconds


def redacted_body(settings: TenantSettings, source: str | None, body: bytes) -> bytes:
    """Return what of ``body`` may be kept; the very same object where its source asks for nothing."""
    own = settings.sources.get(source or "")
    return redact_body(body, own.redact) if own is not None and own.redact else body
