"""A story whose sources are asked: the real fetcher over real HTTP, the story's clock, one or several nodes."""

from datetime import timedelta
from pathlib import Path
from typing import Any

from llm_incident_manager.channels.http_get import HttpGet
from llm_incident_manager.channels.outgoing import OutgoingGuard
from llm_incident_manager.domain.incidents.incident import Incident
from llm_incident_manager.engine.poll_rows import PollState
from llm_incident_manager.engine.rows import IncidentFilter, StoredEvent
from llm_incident_manager.ids import IdSource
from llm_incident_manager.sources.poll_once import Tools
from llm_incident_manager.sources.polls import Polls
from llm_incident_manager.sources.receive import Receive
from llm_incident_manager.sources.registry import source_specs
from tests.stories.app import Story, plain


class Watch(Story):
    """A story with polls; ``node()`` is one more process's polls over the same database."""

    def __init__(self, folder: Path, sources: list[dict[str, Any]], **more: Any) -> None:
        super().__init__(folder, plain() | {"sources": sources}, **more)
        self.allow = ["127.0.0.0/8"]
        self._fetchers: list[HttpGet] = []

    async def __aexit__(self, kind: object, *rest: object) -> None:
        for each in self._fetchers:
            await each.aclose()
        await super().__aexit__(kind, *rest)

    async def boot(self) -> None:
        await super().boot()
        self.polls = self.node()

    def node(self) -> Polls:
        fetch = HttpGet(guard=OutgoingGuard(self.allow), clock=self.clock)
        self._fetchers.append(fetch)
        tools = Tools(
            store=self.store,
            receive=Receive(self.house.intake, self.house.source_acts),
            fetch=fetch,
            clock=self.clock,
            telemetry=self.house.telemetry,
            jitter=lambda: 0.5,
        )
        return Polls(tools, self.settings, source_specs(entries=()), IdSource())

    async def look(self, *, after_seconds: float = 0) -> int:
        """Let time pass, ask what is due once, and let the engine rest; returns how many were asked."""
        if after_seconds:
            self.clock.advance(timedelta(seconds=after_seconds))
        asked = await self.polls.run_due()
        await self.settle()
        return asked

    async def incidents(self, tenant: str = "default", **wanted: Any) -> list[Incident]:
        """Return every incident, oldest first."""
        found = await self.store.read(
            tenant, lambda tx: tx.incidents.search(IncidentFilter(sort="created_at", limit=100, **wanted))
        )
        return list(found.incidents)

    async def only(self, tenant: str = "default", **wanted: Any) -> Incident:
        (found,) = await self.incidents(tenant, **wanted)
        return found

    async def state(self, source: str, tenant: str = "default") -> PollState:
        stored = await self.store.read(tenant, lambda tx: tx.polls.all())
        return next(state for state, _ in stored if state.source == source)

    async def events(self, incident_id: str) -> list[StoredEvent]:
        found, _ = await self.store.read(
            "default", lambda tx: tx.events.of_incident(incident_id, limit=100, cursor=None)
        )
        return found
