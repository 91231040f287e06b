"""The loop's step for sources that are asked: what is due is claimed, and nothing waits behind a page that hangs."""

import asyncio

import structlog

from llm_incident_manager.app.house import House
from llm_incident_manager.channels.http_get import HttpGet
from llm_incident_manager.channels.outgoing import OutgoingGuard
from llm_incident_manager.errors import Unavailable
from llm_incident_manager.sources.poll_once import Tools
from llm_incident_manager.sources.polls import Claimed, Polls
from llm_incident_manager.sources.receive import Receive
from llm_incident_manager.sources.registry import source_specs

log = structlog.get_logger("polls")
AT_ONCE = 16
"""Polls under way in this process."""


class Pollers:
    """Starts the polls that are due; :meth:`aclose` ends those under way: their rows stay as they were."""

    def __init__(self, house: House, guard: OutgoingGuard) -> None:
        self._fetch = HttpGet(guard=guard, clock=house.clock)
        self.polls = Polls(
            Tools(
                store=house.store,
                receive=Receive(house.intake, house.source_acts),
                fetch=self._fetch,
                clock=house.clock,
                telemetry=house.telemetry,
            ),
            house.settings,
            source_specs(),
            house.ids,
        )
        self._under_way: set[asyncio.Task[None]] = set()

    async def step(self) -> None:
        """Claim what is due, as far as there is room, and ask; raises Unavailable while the store is away."""
        room = AT_ONCE - len(self._under_way)
        for claimed in await self.polls.claim(room) if room > 0 else ():
            task = asyncio.get_running_loop().create_task(self._poll(claimed))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)

    async def aclose(self) -> None:
        """End what is under way and close the connections."""
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)
        await self._fetch.aclose()

    async def _poll(self, claimed: Claimed) -> None:
        try:
            await self.polls.poll(claimed)
        except Unavailable as away:
            log.warning("poll_not_written", source=claimed.state.source, tenant=claimed.tenant, reason=away.code)
        except Exception:
            # A named border: one source must not end the asking of the others; its lease ends by itself.
            log.exception("poll_broke", source=claimed.state.source, tenant=claimed.tenant)
