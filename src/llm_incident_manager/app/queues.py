"""The readers of queues: one task for each source that has one, started and ended as the settings change (ING-10)."""

import asyncio
import random
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from pathlib import Path

import msgspec
import structlog

from llm_incident_manager.app.house import House
from llm_incident_manager.app.secrets_on_disk import kept_or_new
from llm_incident_manager.domain.events.queue import QueueSettings
from llm_incident_manager.domain.events.stable import stable_event_id
from llm_incident_manager.sources.queues.reader import QueueCondition, QueueReader
from llm_incident_manager.sources.queues.receive import ReceiveQueued
from llm_incident_manager.sources.queues.registry import queue_spec
from llm_incident_manager.sources.queues.spec import Addresses, Place, QueueConnection
from llm_incident_manager.sources.queues.taking import Taking
from llm_incident_manager.sources.registry import source_specs

log = structlog.get_logger("queues")
STOP_SECONDS = 3.0
Name = tuple[str, str]
"""A tenant and one of its sources."""


def _seconds(at: datetime | None) -> float | None:
    return None if at is None else at.timestamp()


def _told(value: float | None) -> float:
    if value is None:
        raise RuntimeError("nobody has said")  # the figure is left out
    return value


_FIGURES: Mapping[str, Callable[[QueueCondition], float]] = {
    "queue_connected": lambda now: float(now.connected),
    "queue_messages_held": lambda now: now.held,
    "queue_messages_total": lambda now: now.taken,
    "queue_messages_waiting": lambda now: _told(now.waiting),
    "queue_last_success_timestamp_seconds": lambda now: _told(
        now.last_success.timestamp() if now.last_success else None
    ),
}


class _Running(msgspec.Struct):
    """A reader at work."""

    settings: QueueSettings
    reader: QueueReader
    stopping: asyncio.Event
    task: "asyncio.Task[None]"


class QueueReaders:
    """Whoever reads now. A broker that is away stops nobody but its own reader, which tries again."""

    def __init__(self, house: House, *, addresses: Addresses, data_dir: Path) -> None:
        self._house = house
        self._addresses = addresses
        self._specs = source_specs()
        self._receive = ReceiveQueued(house.intake, house.source_acts)
        self._member = f"lim-{stable_event_id(kept_or_new(data_dir / 'node.id'))[:12]}"
        self._running: dict[Name, _Running] = {}
        self._stopped = False

    def is_away(self) -> bool:
        """Whether some queue cannot be read now."""
        return any(not one.reader.condition.connected and one.reader.condition.fault for one in self._running.values())

    def conditions(self) -> dict[Name, QueueCondition]:
        """Return how each reader is doing."""
        return {name: one.reader.condition for name, one in self._running.items()}

    async def run_once(self) -> None:
        """Start what the settings want, end what they do not want any more; what changed is started anew."""
        wanted = self._wanted()
        gone = [name for name, one in self._running.items() if wanted.get(name) != one.settings or one.task.done()]
        await self._end(gone)
        for name, settings in wanted.items():
            if name not in self._running and not self._stopped:
                self._begin(name, settings)

    async def stop(self) -> None:
        """End every reader: what it has fetched is done with, or delivered again."""
        self._stopped = True
        await self._end(list(self._running))

    def _wanted(self) -> dict[Name, QueueSettings]:
        settings = self._house.settings
        return {
            (tenant, source.name): source.queue
            for tenant in settings.tenants()
            for source in settings.of(tenant).sources.values()
            if source.enabled and source.queue is not None
        }

    def reader_of(self, name: Name, settings: QueueSettings) -> QueueReader:
        """Return a reader of this tenant's source; nothing is opened before its first step."""
        tenant, source = name
        house = self._house
        place = Place(
            group=settings.group or f"llm-incident-manager.{tenant}.{source}",
            member=self._member,
            addresses=self._addresses,
        )

        async def opened() -> QueueConnection:
            return await queue_spec(settings.kind).open(settings, place)

        taking = Taking(
            tenant,
            source,
            receive=self._receive,
            specs=self._specs,
            sources=lambda of: house.settings.of(of).sources,
            clock=house.clock,
            most_bytes=lambda: house.settings.server.limits.body_bytes,
        )
        return QueueReader(
            f"{tenant}/{source}",
            open=opened,
            take=taking.take,
            bury=taking.bury,
            clock=house.clock,
            jitter=random.random,
            most=settings.prefetch,
        )

    def _begin(self, name: Name, settings: QueueSettings) -> None:
        reader, stopping = self.reader_of(name, settings), asyncio.Event()
        task = asyncio.get_running_loop().create_task(_read(reader, stopping), name=f"queue:{name[0]}/{name[1]}")
        self._running[name] = _Running(settings=settings, reader=reader, stopping=stopping, task=task)
        for figure, value in _FIGURES.items():
            self._house.telemetry.watch(figure, _labels(name), partial(value, reader.condition))

    async def _end(self, names: list[Name]) -> None:
        ended = [self._running.pop(name) for name in names]
        for name in names:
            for figure in _FIGURES:
                self._house.telemetry.forget(figure, _labels(name))
        for one in ended:
            one.stopping.set()
        if ended:
            _, late = await asyncio.wait([one.task for one in ended], timeout=STOP_SECONDS)
            for task in late:
                task.cancel()
            await asyncio.gather(*(one.task for one in ended), return_exceptions=True)


async def _read(reader: QueueReader, stopping: asyncio.Event) -> None:
    try:
        while not stopping.is_set():
            try:
                rest = await reader.step()
            except Exception:
                # The loop is a named border: a driver's fault must end neither this reader nor the others.
                log.exception("queue_failed")
                await reader.close()
                rest = 1.0
            if rest > 0:
                try:
                    async with asyncio.timeout(rest):
                        await stopping.wait()
                except TimeoutError:
                    continue
        await reader.finish()
    finally:
        await reader.close()


def _labels(name: Name) -> dict[str, str]:
    return {"tenant": name[0], "source": name[1]}
