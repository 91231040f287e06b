"""What the WebSocket doors need of the engine."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

import msgspec

from llm_incident_manager.api.identity import IdentifyPort
from llm_incident_manager.clock import Clock
from llm_incident_manager.engine.accept_stream import Answer
from llm_incident_manager.engine.caller import Caller
from llm_incident_manager.engine.live import LiveChanges
from llm_incident_manager.engine.telemetry import Telemetry


class AcceptMessages(Protocol):
    """The intake, as a stream of messages sees it."""

    def __call__(self, bodies: Sequence[bytes], caller: Caller, /) -> Awaitable[list[Answer]]:
        """Return one answer for each message, once all that is good is durable; raises Forbidden and Unavailable."""
        ...


class WebSocketLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds (SEC-05). Bytes of a message as it comes and unpacked; how much of one connection may be under way."""

    message_bytes: int = 1_048_576
    unpacked_bytes: int = 8_388_608
    waiting_messages: int = 1000
    waiting_bytes: int = 4_194_304
    group_messages: int = 256
    group_bytes: int = 1_048_576
    connections: int = 10_000


class WebSocketPort(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the doors serve from; ``key_headers`` are those that sources' settings name."""

    accept: AcceptMessages
    identify: IdentifyPort
    live: LiveChanges
    clock: Clock
    telemetry: Telemetry
    key_headers: Callable[[], frozenset[str]] = frozenset
    limits: WebSocketLimits = WebSocketLimits()
