"""What a bus says of itself, and what it must do."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any, Protocol

import msgspec


class Bus(Protocol):
    """A message bus: publish a batch, listen to a topic."""

    async def publish(self, topic: str, messages: Sequence[Mapping[str, Any]]) -> None:
        """Return when the bus has all of ``messages``; raise Unavailable when it has not."""
        ...

    def listen(self, topic: str) -> AsyncIterator[Mapping[str, Any]]:
        """Yield the messages of ``topic`` published from now on."""
        ...

    async def close(self) -> None:
        """Let go of every connection."""
        ...


class BusSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A bus by the scheme of its URL (``BUS_URL``)."""

    name: str
    scheme: str
    open: Callable[[str], Bus]
