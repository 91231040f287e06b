"""The REST API over the whole engine, in one process, with a clock of its own and real keys."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2

from llm_incident_manager.api.rest.app import RestApp, rest_app
from llm_incident_manager.api.rest.port import Readiness, RestPort
from llm_incident_manager.engine.audit import Audit
from llm_incident_manager.engine.configure import Configure
from llm_incident_manager.engine.dead_letters import DeadLetters
from llm_incident_manager.engine.identify import Identify
from llm_incident_manager.engine.import_history import ImportHistory
from llm_incident_manager.engine.import_schedules import ImportSchedules
from llm_incident_manager.engine.keyring import Keyring
from llm_incident_manager.engine.keys import Keys
from llm_incident_manager.engine.links import Links
from llm_incident_manager.engine.open_by_hand import OpenByHand
from llm_incident_manager.engine.pages import Pages
from llm_incident_manager.engine.query import Query
from llm_incident_manager.engine.report import Report
from llm_incident_manager.engine.reseal import Reseal
from llm_incident_manager.errors import Conflict
from llm_incident_manager.sources.again import Again
from llm_incident_manager.sources.registry import source_specs
from llm_incident_manager.sources.spec import SourceSpec
from llm_incident_manager.sources.statuspage import read_history
from tests.stories.app import Story

PLATFORM_KEY = "platform-key-of-the-tests-0123456789"
INCIDENT = {"title": "Answers are slow", "severity": "P1", "category": "performance"}


class Api:
    """A client of the API, and the story behind it."""

    def __init__(self, story: Story, app: RestApp, port: RestPort) -> None:
        self.story = story
        self.app = app
        self.port = port
        self.client = self.of(PLATFORM_KEY)

    def of(self, key: str | None, **headers: str) -> httpx2.AsyncClient:
        """Return a client that presents this key."""
        transport = httpx2.ASGITransport(app=self.app, client=("203.0.113.7", 4000))
        presented = {"Authorization": f"Bearer {key}"} if key else {}
        return httpx2.AsyncClient(transport=transport, base_url="http://test", headers=presented | headers)

    async def key(self, *scopes: str, **more: Any) -> str:
        """Return a new key of the tenant ``default`` with these scopes."""
        answer = await self.client.post("/api/v1/api_keys", json={"name": "test", "scopes": list(scopes), **more})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["key"])

    async def event(self, **fields: Any) -> dict[str, Any]:
        """Post an event, triage it, and return the answer."""
        answer = await self.client.post("/api/v1/events", json=a_document(self.story) | fields)
        assert answer.status_code == 202, answer.text
        await self.story.settle()
        found: dict[str, Any] = answer.json()
        return found

    async def incident(self, **fields: Any) -> dict[str, Any]:
        """Open an incident by hand."""
        answer = await self.client.post("/api/v1/incidents", json=INCIDENT | fields)
        assert answer.status_code == 201, answer.text
        found: dict[str, Any] = answer.json()
        return found


_numbers = iter(range(1, 1_000_000))


def a_document(story: Story) -> dict[str, Any]:
    """Return an event that nothing joined yet."""
    number = next(_numbers)
    return {
        "event_id": f"event-{number}",
        "source": "llm-sentinel",
        "timestamp": story.clock.now().isoformat(),
        "event_type": "anomaly",
        "category": "performance",
        "title": f"Latency spike {number}",
        "severity": "high",
        "resource": {"type": "endpoint", "id": f"ep-{number}", "name": "/v1/chat/completions"},
    }


class NoFile:
    """A server that was started without a config file."""

    async def differences(self) -> dict[str, Any]:
        raise Conflict("this server was started without a config file", code="no_config_file")

    async def reload(self) -> dict[str, Any]:
        return await self.differences()


@asynccontextmanager
async def opened(
    folder: Path,
    configuration: Mapping[str, list[dict[str, Any]]] | None = None,
    *,
    sources: Mapping[str, SourceSpec] | None = None,
    journal_bytes: int = 1024**3,
    channels: Mapping[str, Any] | None = None,
    keys: Keyring | None = None,
    ways: Sequence[str] = ("email", "slack", "webhook"),
) -> AsyncIterator[Api]:
    """Run a story with the API in front of it; ``sources`` are the plugins, by default the registry's.

    ``channels`` are those that people answer on, by default the story's own, which are named by ``ways``.
    """
    async with Story(folder, configuration, journal_bytes=journal_bytes, channels=ways, keys=keys) as story:
        house = story.house
        identify = Identify(story.store, story.clock, PLATFORM_KEY, people=story.settings.of)
        await identify.refresh()

        async def changed(_: str) -> None:
            await story.settings.refresh(story.store)

        again = Again(
            sources or source_specs(entries=()),
            lambda tenant: story.settings.of(tenant).sources,
            house.intake,
            house.source_acts,
        )
        port = RestPort(
            intake=house.intake,
            acts=house.source_acts,
            heartbeats=house.heartbeats,
            silences=house.silences,
            shifts=house.shifts,
            calendar_feeds=house.calendar_feeds,
            import_schedules=ImportSchedules(Configure(story.store, changed), house.settings.of, story.clock),
            alerts=house.alerts,
            identify=identify,
            query=Query(story.store, house.context, house.untriaged, story.clock, house.sealing),
            respond=house.respond,
            open_by_hand=OpenByHand(
                story.store, house.context, story.clock, house.numbers, house.telemetry, house.committed
            ),
            report=Report(story.store, story.clock, house.telemetry),
            configure=Configure(story.store, changed),
            keys=Keys(story.store, story.ids, story.settings.of, identify.refresh),
            dead_letters=DeadLetters(story.store, house.intake, story.clock, house.seen, again, house.sealing),
            audit=Audit(story.store),
            imports=ImportHistory(
                story.store,
                house.context,
                house.numbers,
                story.ids,
                read_statuspage=read_history,
                committed=house.committed,
                counted=house.seen.add,
            ),
            pages=Pages(story.store, house.context, story.channels, house.render, story.clock, story.ids),
            reseal=Reseal(story.store, house.sealing),
            links=Links(story.store, people=story.settings.of),
            config_file=NoFile(),
            answers=story.answers,
            channels=story.channels if channels is None else channels,
            settings=story.settings.of,
            store=story.store,
            clock=story.clock,
            telemetry=house.telemetry,
            readiness=lambda: Readiness(ready=True),
            key_headers=lambda: frozenset({"x-sentinel-api-key"}),
            version="1.2.3",
            public_url="http://test",
        )
        yield Api(story, rest_app(port, data_folder=str(folder), sources=sources), port)
        story.pages.clear()
