"""The WebSocket doors over a real socket, in front of a story with a clock of its own."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import websockets
from websockets.asyncio.client import ClientConnection, connect

from llm_incident_manager.api.websocket.doors import WebSocketDoors
from llm_incident_manager.api.websocket.port import WebSocketLimits, WebSocketPort
from llm_incident_manager.api.websocket.protocol import WebSocketProtocol
from llm_incident_manager.app.apis import Front
from llm_incident_manager.app.http_server import HttpServer, bind
from llm_incident_manager.engine.accept_stream import accept_messages
from llm_incident_manager.engine.live import LiveChanges, Watcher
from llm_incident_manager.engine.relay import TOPIC
from llm_incident_manager.engine.rows import IncidentFilter
from tests.api.app import PLATFORM_KEY, Api, opened

SECONDS = 20
FENCE = "fence"
LIMITS = WebSocketLimits(waiting_messages=50, waiting_bytes=200_000)

ALERT = """{
  "type": "alert",
  "event_id": "edge-2025-009876",
  "source": "llm-edge-agent",
  "timestamp": "2025-11-11T10:40:00Z",
  "event_type": "alert",
  "category": "availability",
  "title": "Rate Limit Exceeded",
  "description": "Tenant exceeded rate limit threshold",
  "severity": "medium",
  "resource": {
    "type": "tenant",
    "id": "tenant-456",
    "name": "Acme Corp",
    "metadata": {
      "plan": "enterprise",
      "region": "us-east-1"
    }
  },
  "metrics": {
    "current_rpm": 12500,
    "limit_rpm": 10000,
    "throttled_requests": 2500,
    "duration_sec": 60
  },
  "tags": {
    "environment": "production",
    "edge_location": "edge-us-east-1-a"
  }
}"""
"""The message of specification §6.3."""


class Doors:
    """A server with the doors, and connections to it."""

    def __init__(self, api: Api, port: int, doors: WebSocketDoors, live: LiveChanges, server: HttpServer) -> None:
        self.api = api
        self.port = port
        self.doors = doors
        self.live = live
        self.server = server
        self._fences = 0
        # A tenant that nobody else has: when its change has been collected, everything published before has been.
        self._fence = Watcher(FENCE, IncidentFilter(), lambda: None)
        live._watchers[FENCE] = {self._fence}

    def _fence_came(self) -> bool:
        return str(self._fences) in self.live._pending.get(FENCE, {})

    def connect(self, path: str = "/ws/events", key: str | None = PLATFORM_KEY, **given: Any) -> connect:
        headers = dict(given.pop("headers", {})) | ({"Authorization": f"Bearer {key}"} if key else {})
        return connect(
            f"ws://127.0.0.1:{self.port}{path}", additional_headers=headers, proxy=None, open_timeout=SECONDS, **given
        )

    async def told(self) -> None:
        """Let everything that has happened reach those who watch."""
        await self.api.story.settle()
        self._fences += 1
        await self.api.story.house.bus.publish(TOPIC, [{"tenant": FENCE, "ids": [str(self._fences)]}])
        async with asyncio.timeout(SECONDS):
            while not self._fence_came():  # noqa: ASYNC110 - the listener takes one message at its turn
                await asyncio.sleep(0)
        await self.live.run_once()

    async def counted(self) -> int:
        """Return how many events all incidents count together, once triage has caught up."""
        await self.api.story.settle()
        answer = await self.api.client.get("/api/v1/incidents?limit=500")
        return sum(incident["event_count"] for incident in answer.json()["incidents"])


async def say(connection: ClientConnection, document: Any) -> None:
    await connection.send(document if isinstance(document, str | bytes) else json.dumps(document))


async def heard(connection: ClientConnection) -> dict[str, Any]:
    """Return the next message."""
    async with asyncio.timeout(SECONDS):
        document: dict[str, Any] = json.loads(await connection.recv())
    return document


async def ended(connection: ClientConnection) -> tuple[int, str]:
    """Return how the server closed the connection; messages before that are dropped."""
    async with asyncio.timeout(SECONDS):
        try:
            while True:
                await connection.recv()
        except websockets.ConnectionClosed as closed:
            return (closed.rcvd.code, closed.rcvd.reason) if closed.rcvd else (1006, "it was cut without a word")


@asynccontextmanager
async def doors_of(folder: Path, limits: WebSocketLimits = LIMITS, **given: Any) -> AsyncIterator[Doors]:
    configuration: Mapping[str, list[dict[str, Any]]] | None = given.get("configuration")
    async with opened(folder, configuration) as api:
        await api.story.house.warm()
        house = api.story.house
        live = LiveChanges(api.story.store, house.bus.listen)
        doors = WebSocketDoors(
            WebSocketPort(
                accept=partial(accept_messages, house.intake),
                identify=api.port.identify,
                live=live,
                clock=api.story.clock,
                telemetry=house.telemetry,
                key_headers=api.port.key_headers,
                limits=limits,
            )
        )
        stopping = asyncio.Event()
        listener = bind("127.0.0.1", 0)
        server = HttpServer(
            Front(api.app, doors, stopping), listener, websockets=given.get("protocol", WebSocketProtocol)
        )
        listening = asyncio.ensure_future(live.listen())
        await server.start()
        try:
            yield Doors(api, listener.getsockname()[1], doors, live, server)
        finally:
            live.stop()
            doors.stop()
            await server.stop()
            listener.close()
            async with asyncio.timeout(SECONDS):
                await listening
