"""What a stream has brought and nobody took yet: it is not read further while that is much."""

import asyncio
from collections.abc import AsyncIterator

MOST_EVENTS = 256
MOST_BYTES = 4 * 1_048_576


class Arrivals:
    """Filled by one task and emptied by another; whoever fills it waits while it is full, and so does the sender."""

    def __init__(self) -> None:
        self._items: list[bytes] = []
        self._bytes = 0
        self._ended = False
        self._some = asyncio.Event()
        self._room = asyncio.Event()

    async def fill(self, requests: AsyncIterator[bytes]) -> None:
        """Gather what ``requests`` brings until it ends, or breaks."""
        try:
            async for raw in requests:
                self._items.append(raw)
                self._bytes += len(raw)
                self._some.set()
                if len(self._items) >= MOST_EVENTS or self._bytes >= MOST_BYTES:
                    self._room.clear()
                    await self._room.wait()
        finally:
            self.end()

    def end(self) -> None:
        """Nothing comes any more."""
        self._ended = True
        self._some.set()

    async def take(self) -> list[bytes]:
        """Return all that has arrived; nothing once it has ended."""
        while not self._items and not self._ended:
            self._some.clear()
            await self._some.wait()
        taken, self._items, self._bytes = self._items, [], 0
        self._room.set()
        return taken
