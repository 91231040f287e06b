"""How many events a tenant's key may send for a source in a minute, and a tenant altogether (ING-06).

Where several processes share their windows, each is granted a part of the limit and uses it up without asking
(docs/decisions/0076-shared-windows.md). While what they share is away each counts by itself: nobody is refused for it.
"""

import asyncio
import math
from collections.abc import Callable, Iterator

import structlog

from llm_incident_manager.domain.events.event import Event
from llm_incident_manager.engine.caller import Caller
from llm_incident_manager.engine.rate_port import Ask, SharedWindows
from llm_incident_manager.engine.settings import TenantSettings
from llm_incident_manager.engine.source_gate import SourceGate
from llm_incident_manager.errors import RateLimited, Unavailable
from llm_incident_manager.resilience.lease import Lease, wanted
from llm_incident_manager.resilience.sliding_window import WindowCount

log = structlog.get_logger("rate")
WINDOW_SECONDS = 60.0
_MOST_WINDOWS = 10_000


class _Counter:
    """One limit: what this process let in, and what it was granted of the shared one."""

    __slots__ = ("asking", "key", "lease", "local")

    def __init__(self, key: tuple[str, ...], limit: float) -> None:
        self.key = key
        self.local = WindowCount(limit, WINDOW_SECONDS)
        self.lease = Lease()
        self.asking = asyncio.Lock()

    def wait(self, now: float, shared: bool) -> float:
        return self.lease.wait(now) if shared else self.local.wait(now)

    def take(self, now: float, shared: bool) -> None:
        # Counted here in any case: when what is shared goes away, this process knows what it has let in.
        self.local.count(now)
        if shared:
            self.lease.take(now)


class _Window:
    """A limit and the reserve of a tenth beside it, which ordinary traffic cannot use up."""

    __slots__ = ("limit", "ordinary", "reserve")

    def __init__(self, key: tuple[str, ...], limit: int) -> None:
        self.limit = limit
        self.ordinary = _Counter(key, limit)
        self.reserve = _Counter((*key, "reserve"), max(1, limit // 10))

    def counters(self) -> tuple[_Counter, _Counter]:
        return self.ordinary, self.reserve

    def set(self, limit: int) -> None:
        self.limit = self.ordinary.local.limit = limit
        self.reserve.local.limit = max(1, limit // 10)

    def unknown(self, now: float, joins: bool) -> _Counter | None:
        """Return the counter of which must be asked whether one more fits."""
        if not self.ordinary.lease.is_known(now):
            return self.ordinary
        if joins or self.ordinary.lease.left > 0 or self.reserve.lease.is_known(now):
            return None
        return self.reserve

    def is_idle(self, now: float) -> bool:
        return all(each.local.used(now) == 0 and each.lease.left == 0 for each in self.counters())


class SourceRate:
    """A sliding window for each tenant, key and source, and one for a tenant, with a reserve for new problems.

    Without ``shared`` each process counts by itself. ``monotonic`` is its clock.
    """

    def __init__(self, gate: SourceGate, monotonic: Callable[[], float], shared: SharedWindows | None = None) -> None:
        self._gate = gate
        self._monotonic = monotonic
        self._shared = shared
        self._away = False
        self._windows: dict[tuple[str, ...], _Window] = {}

    @property
    def counts_alone(self) -> bool:
        """Whether the windows should be shared and cannot be."""
        return self._away

    @property
    def is_shared(self) -> bool:
        """Whether several processes count together now."""
        return self._shared is not None and not self._away

    def must_ask(self, event: Event, caller: Caller, joins: bool, now: float, settings: TenantSettings) -> bool:
        """Whether :meth:`ask` must come before :meth:`admit`: nothing is left of what was granted."""
        if not self.is_shared:
            return False
        windows = self._of(event, caller, now, settings)
        return any(window.unknown(now, joins) is not None for window in windows)

    async def ask(
        self, event: Event, caller: Caller, joins: bool, now: float, settings: TenantSettings, at_once: int = 1
    ) -> None:
        """Have a part of the limit granted; then :meth:`must_ask` is false until it is used up.

        ``at_once`` is how many events are waiting for it. Where nobody answers, this process counts by itself.
        """
        for window in self._of(event, caller, now, settings):
            while not self._away and (counter := window.unknown(now, joins)) is not None:
                async with counter.asking:
                    if not counter.lease.is_known(now):
                        await self._granted(counter, at_once)

    async def _granted(self, counter: _Counter, at_once: int) -> None:
        assert self._shared is not None
        limit = counter.local.limit
        ask = Ask(key=counter.key, limit=limit, number=wanted(limit, at_once), window_seconds=WINDOW_SECONDS)
        try:
            (grant,) = await self._shared.take([ask])
        except Unavailable as away:
            if not self._away:
                log.warning("rate_counted_alone", reason=away.message)
            self._away = True
            return
        counter.lease.granted(self._monotonic(), grant.number, grant.wait_seconds)

    def admit(self, event: Event, caller: Caller, joins: bool, now: float, settings: TenantSettings) -> bool:
        """Return whether the payload is kept; raises RateLimited when even the reserve for new problems is used up."""
        if self._shared is None and settings.limits.events_per_minute_per_tenant is None:
            # One limit that nobody shares: what most installations have, on the way of every event.
            window = self._of_source(event, caller, now, settings)
            if window.ordinary.local.take(now, 1) == 0.0:
                return True
        shared = self.is_shared
        chosen: list[_Counter] = []
        for window in self._of(event, caller, now, settings):
            wait = window.ordinary.wait(now, shared)
            if wait == 0.0:
                chosen.append(window.ordinary)
                continue
            if joins:
                self._gate.kept_no_payload(caller, event.source)
                return False
            later = window.reserve.wait(now, shared)
            if later > 0.0:
                self._refuse(event, caller, window, min(wait, later))
            chosen.append(window.reserve)
        for counter in chosen:
            counter.take(now, shared)
        return True

    def _refuse(self, event: Event, caller: Caller, window: _Window, wait: float) -> None:
        self._gate.refused(caller, event.source, "rate_limited", until_seconds=wait)
        of_tenant = len(window.ordinary.key) == 1
        who = f"tenant {caller.tenant}" if of_tenant else f"source {event.source}"
        raise RateLimited(
            f"{who} sent more than {window.limit} events in a minute; send again in {math.ceil(wait)} s",
            retry_after_seconds=wait,
            limit=window.limit,
        )

    async def tend(self) -> None:
        """Give back what was granted and not used; find out whether what is shared can be reached again.

        Raises Unavailable (code ``redis``) while it cannot.
        """
        shared = self._shared
        if shared is None:
            return
        if self._away:
            await shared.ping()
            log.info("rate_counted_together_again")
            self._away = False
        for counter, number in list(self._unused()):
            try:
                await shared.take([Ask(key=counter.key, limit=counter.local.limit, number=-number)])
            except Unavailable:
                self._away = True
                raise

    def _unused(self) -> Iterator[tuple[_Counter, int]]:
        now = self._monotonic()
        for window in list(self._windows.values()):
            for counter in window.counters():
                number = counter.lease.give_back(now)
                if number:
                    yield counter, number

    def _of(self, event: Event, caller: Caller, now: float, settings: TenantSettings) -> list[_Window]:
        windows = [self._of_source(event, caller, now, settings)]
        of_tenant = settings.limits.events_per_minute_per_tenant
        if of_tenant is not None:
            windows.append(self._window((caller.tenant,), of_tenant, now))
        return windows

    def _of_source(self, event: Event, caller: Caller, now: float, settings: TenantSettings) -> _Window:
        own = settings.sources.get(event.source)
        limit = (own.events_per_minute if own is not None else None) or settings.events_per_minute
        return self._window((caller.tenant, caller.key_id, event.source), limit, now)

    def _window(self, key: tuple[str, ...], limit: int, now: float) -> _Window:
        window = self._windows.get(key)
        if window is None:
            if len(self._windows) > _MOST_WINDOWS:
                self._windows = {each: one for each, one in self._windows.items() if not one.is_idle(now)}
            window = self._windows[key] = _Window(key, limit)
        elif window.limit != limit:
            window.set(limit)
        return window
