"""① Events through REST: what is accepted, and every way to be refused."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.api.app import Api, a_document

SENTINEL: dict[str, Any] = {
    "event_id": "sent-2025-001234",
    "source": "llm-sentinel",
    "source_version": "1.2.3",
    "timestamp": "2025-11-11T10:30:00Z",
    "event_type": "anomaly",
    "category": "performance",
    "title": "Latency Spike Detected",
    "description": "95th percentile latency exceeded threshold",
    "severity": "high",
    "resource": {
        "type": "endpoint",
        "id": "ep-chat-completion",
        "name": "/v1/chat/completions",
        "metadata": {"model": "gpt-4", "region": "us-west-2"},
    },
    "metrics": {"p95_latency_ms": 5400, "threshold_ms": 2000, "duration_sec": 300, "affected_requests": 1234},
    "tags": {"environment": "production", "tenant_id": "tenant-123"},
    "payload": {"anomaly_score": 0.89, "baseline_p95": 800, "detection_algorithm": "isolation_forest"},
}
EVENTS = "/api/v1/events"


@pytest.mark.requirement("ING-01")
async def test_the_specifications_request_gets_the_specifications_answer(api: Api) -> None:
    answer = await api.client.post(EVENTS, json=SENTINEL)
    assert answer.status_code == 202
    assert answer.json() == {
        "status": "accepted",
        "event_id": "sent-2025-001234",
        "incident_id": "INC-20261102-00001",
        "message": "Event received and queued for processing",
    }
    await api.story.settle()
    incident = (await api.client.get(f"/api/v1/incidents/{answer.json()['incident_id']}")).json()
    assert (incident["severity"], incident["environment"]) == ("P1", "production")
    again = await api.client.post(EVENTS, json=SENTINEL)
    assert (again.status_code, again.json()["status"]) == (202, "duplicate")
    assert again.json()["incident_id"] == incident["id"]


@pytest.mark.requirement("ING-01")
async def test_a_batch_decides_each_event_for_itself(api: Api) -> None:
    good, bad = a_document(api.story), a_document(api.story) | {"severity": "awful", "category": "x"}
    batch = {"batch_id": "b1", "timestamp": "2026-11-02T09:00:00Z", "events": [good, bad, good], "count": 3}
    answer = await api.client.post(EVENTS, content=gzip.compress(json.dumps(batch).encode()), headers={
        "Content-Encoding": "gzip"
    })  # fmt: skip
    assert answer.status_code == 202, answer.text
    told = answer.json()
    assert (told["batch_id"], told["accepted"], told["duplicates"], told["rejected"]) == ("b1", 1, 1, 1)
    assert [result["status"] for result in told["results"]] == ["accepted", "rejected", "duplicate"]
    assert {fault["field"] for fault in told["results"][1]["errors"]} == {"severity", "category"}


@pytest.mark.parametrize(
    ("content", "headers", "status", "code"),
    [
        (b"", {}, 400, "malformed_json"),
        (b"{", {}, 400, "malformed_json"),
        (b'{"title": "\xff"}', {}, 400, "malformed_json"),
        (b"{}", {"Content-Type": "text/plain"}, 415, "unsupported_media_type"),
        (b"{}", {"Content-Encoding": "br"}, 415, "unsupported_media_type"),
        (b"{}", {"Content-Encoding": "gzip"}, 400, "malformed_body"),
        (gzip.compress(b"{}", mtime=0)[:-9], {"Content-Encoding": "gzip"}, 400, "malformed_body"),
        (b"{}", {}, 422, "invalid_event"),
        (b'{"timestamp": "half a \\ud800"}', {}, 422, "invalid_event"),
        (b"[]", {}, 422, "empty_batch"),
        (b"7", {}, 422, "invalid_event"),
        (b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", {}, 422, "too_deep"),
        (b" " * 1_048_577, {}, 413, "too_large"),
        (gzip.compress(b" " * 9_000_000, mtime=0), {"Content-Encoding": "gzip"}, 413, "too_large"),
    ],
)
@pytest.mark.requirement("SEC-05")
async def test_bad_bodies_are_refused_as_problems(
    api: Api, content: bytes, headers: dict[str, str], status: int, code: str
) -> None:
    answer = await api.client.post(EVENTS, content=content, headers={"Content-Type": "application/json"} | headers)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == status


@pytest.mark.requirement("SEC-05")
async def test_a_body_without_a_length_is_counted_while_it_arrives(api: Api) -> None:
    taken = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal taken
        for _ in range(1000):
            taken += 65_536
            yield b" " * 65_536

    answer = await api.client.post(EVENTS, content=endless())
    assert answer.status_code == 413


@pytest.mark.requirement("ING-04")
async def test_every_bad_field_is_named(api: Api) -> None:
    wrong = a_document(api.story) | {"severity": "dreadful", "timestamp": "2026-11-02T09:00:00", "resource": {"id": ""}}
    del wrong["title"]
    answer = await api.client.post(EVENTS, json=wrong)
    assert answer.status_code == 422
    assert {fault["field"] for fault in answer.json()["errors"]} == {
        "severity", "timestamp", "resource.id", "resource.type", "title",
    }  # fmt: skip


@pytest.mark.requirement("SEC-02")
async def test_who_has_no_key_or_the_wrong_one_is_told_how(api: Api) -> None:
    document = a_document(api.story)
    reading = await api.key("read")
    sending = await api.key("ingest")
    for client, status in (
        (api.of(None), 401),
        (api.of("wrong"), 401),
        (api.of(reading), 403),
        (api.of(None, **{"X-API-Key": sending}), 202),
        (api.of(None, **{"X-Sentinel-API-Key": sending}), 202),
    ):
        answer = await client.post(EVENTS, json=document)
        assert answer.status_code == status, answer.text
        if status == 401:
            assert answer.headers["www-authenticate"].startswith("Bearer")
    assert (await api.of(sending).get("/api/v1/incidents")).status_code == 403
    assert (await api.of(None, **{"X-Sentinel-API-Key": reading}).get("/api/v1/incidents")).status_code == 401


async def test_a_get_of_events_is_refused_by_name(api: Api) -> None:
    answer = await api.client.get(EVENTS)
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert answer.json()["code"] == "method_not_allowed"


@pytest.mark.requirement("CLS-07")
async def test_sixty_four_first_events_at_once_make_one_incident_and_one_page(api: Api) -> None:
    first = a_document(api.story)
    documents = [first | {"event_id": f"{first['event_id']}-{number}"} for number in range(64)]
    answers = await asyncio.gather(*(api.client.post(EVENTS, json=document) for document in documents))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["incident_id"] for answer in answers}) == 1
    await api.story.fast_forward(seconds=2)
    found = (await api.client.get("/api/v1/incidents")).json()
    assert (found["total"], found["incidents"][0]["event_count"]) == (1, 64)
    assert [page.to for page in api.story.pages] == ["ana"]


@pytest.mark.requirement("ING-01")
async def test_a_read_right_after_the_202_waits_for_its_triage(api: Api) -> None:
    taken = await api.client.post(EVENTS, json=a_document(api.story))
    reading = asyncio.ensure_future(api.client.get(f"/api/v1/incidents/{taken.json()['incident_id']}"))
    acting = asyncio.ensure_future(api.client.post(f"/api/v1/incidents/{taken.json()['incident_id']}/take"))
    await asyncio.sleep(0)
    await api.story.settle()
    assert ((await reading).status_code, (await acting).status_code) == (200, 200)


@pytest.mark.requirement("ING-06")
async def test_over_the_rate_a_new_problem_is_told_when_to_come_back(api: Api) -> None:
    limited = {"name": "llm-sentinel", "events_per_minute": 2}
    assert (await api.client.post("/api/v1/sources", json=limited)).status_code == 201
    answers = [await api.client.post(EVENTS, json=a_document(api.story)) for _ in range(5)]
    assert answers[0].status_code == 202
    assert (answers[-1].status_code, answers[-1].json()["code"]) == (429, "rate_limited")
    assert int(answers[-1].headers["retry-after"]) >= 1
