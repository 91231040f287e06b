"""The embedded bus: everything happens in one process, so a message is a call (DEP-01)."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from llm_incident_manager.bus.spec import BusSpec

MAX_BEHIND = 1000
"""A listener that is further behind than this loses the oldest messages: live views are told to read again."""


class MemoryBus:
    """Hands each published message to every listener of its topic."""

    def __init__(self) -> None:
        self._listeners: dict[str, set[asyncio.Queue[Mapping[str, Any]]]] = {}

    async def publish(self, topic: str, messages: Sequence[Mapping[str, Any]]) -> None:
        """Hand ``messages`` to all who listen now."""
        for queue in self._listeners.get(topic, ()):
            for message in messages:
                if queue.full():
                    queue.get_nowait()
                queue.put_nowait(message)

    async def listen(self, topic: str) -> AsyncIterator[Mapping[str, Any]]:
        """Yield what is published on ``topic`` from now on, until the caller stops."""
        queue: asyncio.Queue[Mapping[str, Any]] = asyncio.Queue(MAX_BEHIND)
        listeners = self._listeners.setdefault(topic, set())
        listeners.add(queue)
        try:
            while True:
                yield await queue.get()
        finally:
            listeners.discard(queue)

    async def close(self) -> None:
        """Nothing is held outside the process."""
        self._listeners.clear()


SPEC = BusSpec(name="memory", scheme="memory", open=lambda url: MemoryBus())
