"""Wakes those who wait, in an event loop, until there is something to take."""

import asyncio

Waiter = tuple[asyncio.AbstractEventLoop, asyncio.Future[None], bool]
"""Its loop, what resolves when it is woken, and whether repeats are reason enough."""


class Arrivals:
    """Who waits. The caller holds the journal's lock around every method except :func:`arrived_within`."""

    def __init__(self) -> None:
        """Nobody waits yet."""
        self._waiters: list[Waiter] = []

    def enter(self, *, repeats: bool) -> Waiter:
        """Return a new waiter of the running loop; without ``repeats`` only openings wake it."""
        loop = asyncio.get_running_loop()
        waiter = (loop, loop.create_future(), repeats)
        self._waiters.append(waiter)
        return waiter

    def leave(self, waiter: Waiter) -> None:
        """Forget the waiter."""
        if waiter in self._waiters:
            self._waiters.remove(waiter)

    def announce(self, *, openings: bool) -> None:
        """Wake everybody, or without ``openings`` those who also wait for repeats; from whichever thread."""
        woken = [waiter for waiter in self._waiters if openings or waiter[2]]
        self._waiters = [waiter for waiter in self._waiters if waiter not in woken]
        for loop, future, _ in woken:
            if not loop.is_closed():
                loop.call_soon_threadsafe(_resolve, future)


async def arrived_within(waiter: Waiter, timeout_seconds: float | None) -> bool:
    """Return true as soon as the waiter is woken, false when the time is over."""
    await asyncio.wait([waiter[1]], timeout=timeout_seconds)
    return waiter[1].done()


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
