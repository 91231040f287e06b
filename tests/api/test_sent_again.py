"""Senders that come back from an outage and send everything again, for an hour, by whatever door (ING-05)."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from llm_incident_manager.engine.rows import IncidentFilter
from tests.api.app import Api, a_document
from tests.api.grpc_app import Grpc, answering, request_of
from tests.api.streaming import Doors, doors_of, heard, say

ROUNDS = 12
EVERY = timedelta(minutes=5)
LABELS = {"alertname": "HighLatency", "severity": "critical", "service": "checkout"}
ALERT = {
    "status": "firing", "labels": LABELS, "annotations": {"summary": "p95 is 9 s"}, "fingerprint": "c0ffee01",
    "startsAt": "2026-11-02T08:59:00Z", "endsAt": "0001-01-01T00:00:00Z", "generatorURL": "http://prometheus/graph",
}  # fmt: skip
WEBHOOK = {
    "version": "4", "groupKey": "{}:{}", "status": "firing", "receiver": "lim", "alerts": [ALERT],
    "groupLabels": {}, "commonLabels": LABELS, "commonAnnotations": {}, "externalURL": "http://alertmanager",
}  # fmt: skip
TRIGGER = {
    "event_action": "trigger", "dedup_key": "disk-7",
    "payload": {
        "summary": "Disk is full", "source": "db-7", "severity": "critical", "timestamp": "2026-11-02T08:59:30Z",
    },
}  # fmt: skip
CLOUD = {
    "specversion": "1.0", "id": "ce-1", "source": "/checkout", "type": "com.example.alert",
    "time": "2026-11-02T08:59:40Z", "data": {"title": "Queue is stuck", "severity": "high"},
}  # fmt: skip
CREATE = {"message": "Certificate expires", "alias": "cert-1", "priority": "P2"}


@pytest.fixture
async def doors(tmp_path: Path) -> AsyncIterator[Doors]:
    async with doors_of(tmp_path) as doors:
        yield doors


@pytest.fixture
async def rpc(doors: Doors) -> AsyncIterator[Grpc]:
    async with answering(doors.api) as running:
        yield running


class Senders:
    """One sender per door; each sends what it sent before."""

    def __init__(self, doors: Doors, rpc: Grpc, key: str) -> None:
        self._doors, self._rpc, self._key = doors, rpc, key
        self._client = doors.api.of(key)
        story = doors.api.story
        self._native, self._one, self._two = (a_document(story) for _ in range(3))
        self._batch = [a_document(story), a_document(story)]
        self._streamed = [a_document(story), a_document(story)]

    async def send_all(self) -> None:
        """Send everything by every door; each must be content."""
        client = self._client
        answers: list[httpx2.Response] = [
            await client.post("/api/v1/events", json=self._native),
            await client.post("/api/v1/events", json={"batch_id": "b", "events": self._batch, "count": 2}),
            await client.post("/api/v1/sources/alertmanager", json=WEBHOOK),
            await client.post("/v2/enqueue", json=TRIGGER | {"routing_key": self._key}),
            await client.post(
                "/api/v1/sources/cloudevents", content=json.dumps(CLOUD),
                headers={"content-type": "application/cloudevents+json"},
            ),
        ]  # fmt: skip
        assert all(answer.status_code in (200, 202) for answer in answers), [each.text for each in answers]
        created = await self._rpc.client.create(request_of(self._one))
        assert created.status in ("accepted", "duplicate")
        stream = self._rpc.client.stream()
        for document in self._streamed:
            await stream.write(request_of(document))
            assert (await stream.read()).status in ("accepted", "duplicate")
        await stream.done_writing()
        async with self._doors.connect() as connection:
            await say(connection, self._two)
            assert (await heard(connection))["type"] == "ack"

    async def create(self) -> None:
        """Create an Opsgenie alert: it carries no id (docs/decisions/0067)."""
        answer = await self._client.post("/v2/alerts", json=CREATE, headers={"authorization": f"GenieKey {self._key}"})
        assert answer.status_code == 202, answer.text


async def counts(api: Api) -> dict[str, int]:
    """Return how many events each incident counts."""
    await api.story.settle()
    page = await api.story.store.read("default", lambda tx: tx.incidents.search(IncidentFilter(limit=200)))
    return {incident.id: incident.event_count for incident in page.incidents}


@pytest.mark.requirement("ING-05")
@pytest.mark.requirement("ING-08")
async def test_a_sender_that_sends_everything_again_for_an_hour_changes_no_count(doors: Doors, rpc: Grpc) -> None:
    api = doors.api
    senders = Senders(doors, rpc, await api.key("ingest"))
    await senders.send_all()
    before = await counts(api)
    assert len(before) == 10
    assert set(before.values()) == {1}
    for _ in range(ROUNDS):
        api.story.clock.advance(EVERY)
        await senders.send_all()
        assert await counts(api) == before
    letters: dict[str, Any] = (await api.client.get("/api/v1/dead_letters")).json()
    assert letters["total"] == 0, letters


@pytest.mark.requirement("ING-05")
async def test_what_carries_no_id_is_counted_again_and_opens_nothing_again(doors: Doors, rpc: Grpc) -> None:
    api = doors.api
    senders = Senders(doors, rpc, await api.key("ingest"))
    for _ in range(ROUNDS):
        await senders.create()
        await counts(api)
        api.story.clock.advance(EVERY)
    assert list((await counts(api)).values()) == [ROUNDS]


@pytest.mark.requirement("ING-05")
async def test_after_their_end_the_same_ids_open_nothing_again(doors: Doors, rpc: Grpc) -> None:
    api = doors.api
    senders = Senders(doors, rpc, await api.key("ingest"))
    await senders.send_all()
    before = await counts(api)
    for incident_id in before:
        answer = await api.client.post(f"/api/v1/incidents/{incident_id}/resolve?walk=true", json={})
        assert answer.status_code == 200, answer.text
    for _ in range(3):
        api.story.clock.advance(EVERY)
        await senders.send_all()
    assert await counts(api) == before
    page = await api.story.store.read("default", lambda tx: tx.incidents.search(IncidentFilter(limit=200)))
    assert not any(incident.is_open for incident in page.incidents)
