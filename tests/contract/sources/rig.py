"""One payload through the real door: the incident that people get of it."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2

from tests.api.app import Api, opened


class Sender:
    """A tool that sends to one source, and what came of it."""

    def __init__(self, api: Api, name: str, key: str) -> None:
        self.api = api
        self.name = name
        self.client = api.of(key)

    async def send(
        self, document: Any, *, path: str | None = None, headers: Mapping[str, str] | None = None
    ) -> httpx2.Response:
        """Send a document (or bytes as they are) and let it be worked off."""
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        where = path or f"/api/v1/sources/{self.name}"
        answer = await self.client.post(where, content=body, headers=dict(headers or {}))
        await self.api.story.fast_forward(seconds=2)
        self.api.story.pages.clear()
        return answer

    async def incidents(self) -> list[dict[str, Any]]:
        """Return every incident, oldest first."""
        answer = await self.api.client.get("/api/v1/incidents?sort=created_at&limit=100")
        return list(answer.json()["incidents"])

    async def incident(self) -> dict[str, Any]:
        """Return the only incident."""
        (found,) = await self.incidents()
        return dict(found)

    async def why(self) -> str:
        """Return the sentence that says why the only incident has its severity."""
        found = await self.incident()
        answer = await self.api.client.get(f"/api/v1/incidents/{found['id']}/explanation")
        return answer.text

    async def kept(self) -> str:
        """Return all that is kept of the only incident's events."""
        found = await self.incident()
        return (await self.api.client.get(f"/api/v1/incidents/{found['id']}/events")).text


@asynccontextmanager
async def sending(folder: Path, name: str) -> AsyncIterator[Sender]:
    """Run the whole engine with a sender in front of it."""
    async with opened(folder) as api:
        yield Sender(api, name, await api.key("ingest"))
        api.story.pages.clear()


def of(incident: dict[str, Any]) -> tuple[str, str, str, str, str]:
    """Return title, category, severity, and the resource's type and id."""
    resource = incident["affected_resources"][0] if "affected_resources" in incident else incident["resource"]
    return (
        incident["title"],
        incident["category"],
        incident["severity"],
        resource["type"],
        resource["id"],
    )
