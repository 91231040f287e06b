"""① Sources that are asked (ING-10): who is due, who asks, and how each is doing.

A row per source holds what was told, when it is asked next, and a lease, so that of several nodes one asks. A crash at
any instant leaves the row as it was: the same document is read again after the lease, and its events have the same ids.
"""

import asyncio
from collections.abc import Mapping

import msgspec

from llm_incident_manager.engine.poll_rows import PollState
from llm_incident_manager.engine.settings import SettingsMemory
from llm_incident_manager.ids import IdSource
from llm_incident_manager.resilience.breaker import CircuitBreaker, Refused
from llm_incident_manager.sources.poll_once import LEASE_SECONDS, PollOnce, Tools
from llm_incident_manager.sources.receive import FALLBACK
from llm_incident_manager.sources.spec import SourceSpec


class Claimed(msgspec.Struct, frozen=True, kw_only=True):
    """A poll that is this node's until its lease ends."""

    tenant: str
    state: PollState
    holder: str


class Polls:
    """Claims what is due and asks; nothing here waits for the next time: the loop is in ``app``."""

    def __init__(self, tools: Tools, settings: SettingsMemory, specs: Mapping[str, SourceSpec], ids: IdSource) -> None:
        self._tools = tools
        self._settings = settings
        self._specs = specs
        self._ids = ids
        self._breakers: dict[tuple[str, str], CircuitBreaker] = {}
        self._kept: dict[str, tuple[str, ...]] = {}

    async def claim(self, limit: int) -> list[Claimed]:
        """Return the leases taken of at most ``limit`` polls that are due; where no source is asked, nothing is done.

        Raises Unavailable while the store is away.
        """
        claimed: list[Claimed] = []
        for tenant in self._settings.tenants():
            names = self._pulled(tenant)
            if self._kept.get(tenant, ()) != names:
                await self._keep_only(tenant, names)
            if names and len(claimed) < limit:
                claimed += await self._claim(tenant, names, limit - len(claimed))
        return claimed

    async def run_due(self, limit: int = 16) -> int:
        """Claim and ask what is due; returns how many."""
        claimed = await self.claim(limit)
        await asyncio.gather(*(self.poll(each) for each in claimed))
        return len(claimed)

    async def poll(self, claimed: Claimed) -> None:
        """Ask once, and write down what came of it; raises Unavailable where that cannot be written."""
        tenant, name = claimed.tenant, claimed.state.source
        source = self._settings.of(tenant).sources.get(name)
        if source is None or source.pull is None or not source.enabled:
            return  # Its settings changed a moment ago; the lease ends by itself.
        spec = self._specs.get(name) or self._specs.get(source.plugin or FALLBACK)
        clock = self._tools.clock
        once = PollOnce(self._tools, tenant, claimed.holder, claimed.state, source, spec)
        breaker = self._breakers.setdefault((tenant, name), CircuitBreaker())
        # What watches something is itself the probe: it must see a second failure as soon as the first.
        watches = spec is not None and spec.polling is not None and spec.polling.failing is not None
        admission = breaker.admit(clock.monotonic(), only_path=watches)
        if isinstance(admission, Refused):
            await once.done(claimed.state, wait_seconds=max(1.0, admission.retry_at - clock.monotonic()))
            return
        well = False
        try:
            well = await once.ask()
        finally:
            (breaker.succeeded if well else breaker.failed)(clock.monotonic())
            state = int(breaker.state(clock.monotonic()))
            self._tools.telemetry.set("circuit_breaker_state", {"service": f"poll:{tenant}/{name}"}, state)

    def _pulled(self, tenant: str) -> tuple[str, ...]:
        sources = self._settings.of(tenant).sources
        return tuple(sorted(name for name, each in sources.items() if each.pull is not None and each.enabled))

    async def _keep_only(self, tenant: str, names: tuple[str, ...]) -> None:
        await self._tools.store.transact(tenant, lambda tx: tx.polls.keep_only(names), background=True)
        self._kept[tenant] = names

    async def _claim(self, tenant: str, names: tuple[str, ...], limit: int) -> list[Claimed]:
        due = await self._tools.store.read(tenant, lambda tx: tx.polls.due(names))
        if not due:
            return []
        holder = self._ids.new("poll")
        states = await self._tools.store.transact(
            tenant,
            lambda tx: tx.polls.claim(due[:limit], holder=holder, lease_seconds=LEASE_SECONDS),
            background=True,
        )
        return [Claimed(tenant=tenant, state=state, holder=holder) for state in states]
