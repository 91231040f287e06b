"""The loops: each repeats one step of the engine, rests when nothing is due, and outlives a database that is away."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from llm_incident_manager.app.house import House
from llm_incident_manager.errors import IncidentManagerError, Unavailable

log = structlog.get_logger("loops")
Step = Callable[[], Awaitable[int]]


class Loops:
    """The standalone process's loops. ``stop`` lets what is under way finish."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._stopping = asyncio.Event()
        self._pages_due = asyncio.Event()
        self._changes_due = asyncio.Event()
        self._sending: set[asyncio.Task[None]] = set()
        self._away: dict[str, str] = {}
        self._beside: dict[str, Callable[[], bool]] = {}

    @property
    def degraded(self) -> frozenset[str]:
        """What some step is waiting for; one step's success says nothing of another's (a reader of a writer's)."""
        return frozenset(self._away.values()) | {name for name, is_away in self._beside.items() if is_away()}

    def watch(self, name: str, is_away: Callable[[], bool]) -> None:
        """Let ``name`` be degraded while ``is_away`` says so; it is asked whenever somebody looks."""
        self._beside[name] = is_away

    async def run(self) -> None:
        """Run every loop until :meth:`stop`."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._repeat("triage", self._triage, 0.0, asyncio.Event()))
            group.create_task(self._repeat("timers", self._timers, 0.25, asyncio.Event()))
            group.create_task(self._repeat("deliver", self._deliver, 0.25, self._pages_due))
            group.create_task(self._repeat("relay", self._house.relay.run_once, 0.25, self._changes_due))
        if self._sending:
            await asyncio.wait(self._sending, timeout=3.0)

    def stop(self) -> None:
        """End the loops after the step they are in."""
        self._stopping.set()
        self._pages_due.set()
        self._changes_due.set()

    def poke(self) -> None:
        """A command has committed: its pages and changes need not wait for the next look."""
        self._pages_due.set()
        self._changes_due.set()

    async def every(self, name: str, seconds: float, step: Callable[[], Awaitable[object]]) -> None:
        """Repeat a housekeeping step at a fixed distance until :meth:`stop`."""

        async def once() -> int:
            await step()
            return 0

        await self._repeat(name, once, seconds, asyncio.Event())

    async def _repeat(self, name: str, step: Step, idle_seconds: float, wake: asyncio.Event) -> None:
        while not self._stopping.is_set():
            wake.clear()
            try:
                done = await step()
                self._away.pop(name, None)
            except Unavailable as away:
                log.warning("step_deferred", step=name, reason=away.code)
                self._away[name] = "database" if away.code.startswith("database") else away.code
                await self._rest(asyncio.Event(), away.retry_after_seconds)
            except IncidentManagerError as failure:
                log.error("step_failed", step=name, reason=failure.message)
                await self._rest(asyncio.Event(), 1.0)
            except Exception:
                # The loop is a named border: one fault must not end escalation for everybody.
                log.exception("step_failed", step=name)
                await self._rest(asyncio.Event(), 1.0)
            else:
                if not done and idle_seconds:
                    await self._rest(wake, idle_seconds)

    async def _rest(self, wake: asyncio.Event, seconds: float) -> None:
        waits = {asyncio.ensure_future(wake.wait()), asyncio.ensure_future(self._stopping.wait())}
        _, pending = await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for each in pending:
            each.cancel()

    async def _triage(self) -> int:
        # Between two flushes of repeats only openings wake it: else a storm would keep it spinning.
        due = self._house.triage.takes_repeats()
        await self._house.journal.wait(0.2 if due else 0.05, repeats=due)
        done = await self._house.triage.run_once()
        if done:
            self.poke()
        return 1

    async def _timers(self) -> int:
        fired = await self._house.timers.run_due()
        if fired:
            self.poke()
        return fired

    async def _deliver(self) -> int:
        claimed = await self._house.deliver.claim(32)
        for notification in claimed:
            task = asyncio.get_running_loop().create_task(self._house.deliver.deliver(notification))
            self._sending.add(task)
            task.add_done_callback(self._sent)
        return len(claimed)

    def _sent(self, task: "asyncio.Task[None]") -> None:
        self._sending.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("delivery_failed", exc_info=task.exception())
        self.poke()
