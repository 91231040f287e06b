"""What the gRPC API asks of the engine, gathered in one value that the wiring fills."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any, Protocol

import msgspec

from llm_incident_manager.api.rest.port import NO_FACTS, Readiness
from llm_incident_manager.clock import Clock
from llm_incident_manager.domain.events.event import SourceSettings
from llm_incident_manager.domain.incidents.changes import RequestFacts
from llm_incident_manager.engine.accept import BatchReceipt, Receipt
from llm_incident_manager.engine.caller import Caller
from llm_incident_manager.engine.ports import Store
from llm_incident_manager.engine.query import Query
from llm_incident_manager.engine.respond import Respond
from llm_incident_manager.engine.telemetry import Telemetry
from llm_incident_manager.sources.receive import Receive

Listen = Callable[[str], AsyncIterator[Mapping[str, Any]]]


class IntakePort(Protocol):
    """① Event accepted."""

    async def accept(self, body: bytes, caller: Caller) -> Receipt: ...

    async def accept_items(self, items: Sequence[bytes], caller: Caller, *, each: bool = False) -> BatchReceipt:
        """Accept what arrived together on a stream; a receipt for each, in order."""
        ...


class IdentifyPort(Protocol):
    """From a key, or a client certificate that was verified, to whoever asks."""

    def authenticate(self, key: str | None, tenant: str | None = None, *, request: RequestFacts = NO_FACTS) -> Caller:
        """Return the caller; ``tenant`` is a platform key's ``x-tenant``."""
        ...

    def certified(
        self, names: Sequence[str], tenant: str | None = None, *, request: RequestFacts = NO_FACTS
    ) -> Caller | None:
        """Return the source that a certificate of these names stands for."""
        ...


class GrpcPort(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the API serves from.

    ``listen`` yields live changes; ``stopping`` is set when the process ends. ``receive`` takes in what a source reads,
    ``sources`` returns a tenant's settings of them. Bytes bound a message: one of ours, and one of OTLP's, unpacked.
    """

    intake: IntakePort
    identify: IdentifyPort
    query: Query
    respond: Respond
    store: Store
    clock: Clock
    telemetry: Telemetry
    readiness: Callable[[], Readiness]
    listen: Listen
    stopping: asyncio.Event
    receive: Receive
    sources: Callable[[str], Mapping[str, SourceSettings]]
    trusted_proxies: Callable[[], tuple[str, ...]] = tuple
    message_bytes: int = 1_048_576
    logs_bytes: int = 8_388_608
