"""``/ws/events`` over a real socket, with an ordinary client: acknowledged means durable, wrong means told."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import websockets

from tests.api.app import PLATFORM_KEY, a_document
from tests.api.raw_http import RawConnection
from tests.api.streaming import ALERT, LIMITS, SECONDS, Doors, doors_of, ended, heard, say

pytestmark = pytest.mark.requirement("ING-03")


@pytest.fixture
async def doors(tmp_path: Path) -> AsyncIterator[Doors]:
    async with doors_of(tmp_path) as doors:
        yield doors


async def test_the_message_of_the_specification_is_acknowledged_and_becomes_an_incident(doors: Doors) -> None:
    async with doors.connect() as connection:
        await say(connection, ALERT)
        ack = await heard(connection)
        assert (ack["type"], ack["event_id"], ack["status"]) == ("ack", "edge-2025-009876", "accepted")
        await say(connection, ALERT)
        again = await heard(connection)
    assert (again["status"], again["incident_id"]) == ("duplicate", ack["incident_id"])
    assert await doors.counted() == 1
    incident = (await doors.api.client.get(f"/api/v1/incidents/{ack['incident_id']}")).json()
    assert (incident["title"], incident["category"], incident["environment"]) == (
        "Rate Limit Exceeded",
        "availability",
        "production",
    )
    assert incident["resource"]["metadata"] == {"plan": "enterprise", "region": "us-east-1"}


async def test_a_batch_is_answered_event_by_event_in_order(doors: Doors) -> None:
    events = [a_document(doors.api.story) for _ in range(5)]
    events[2]["severity"] = "enormous"
    batch = {"batch_id": "b-1", "timestamp": "2026-11-02T09:00:00Z", "events": events, "count": 5}
    async with doors.connect() as connection:
        await say(connection, batch)
        answers = [await heard(connection) for _ in events]
    assert [each["event_id"] for each in answers] == [event["event_id"] for event in events]
    assert [each["type"] for each in answers] == ["ack", "ack", "error", "ack", "ack"]
    assert {each["batch_id"] for each in answers} == {"b-1"}
    assert answers[2]["errors"][0]["field"] == "severity"
    assert "enormous" in answers[2]["errors"][0]["message"]
    assert await doors.counted() == 4


async def test_many_messages_at_once_are_all_answered_in_order_and_counted_once(doors: Doors) -> None:
    """Four times what may be under way: the connection fills up, and nothing is lost."""
    events = [a_document(doors.api.story) for _ in range(LIMITS.waiting_messages * 4)]
    async with doors.connect() as connection:
        sending = asyncio.ensure_future(_all(connection, [*events, *events[:20]]))
        answers = [await heard(connection) for _ in range(len(events) + 20)]
        await sending
    assert [each["event_id"] for each in answers] == [event["event_id"] for event in [*events, *events[:20]]]
    assert [each["status"] for each in answers] == ["accepted"] * len(events) + ["duplicate"] * 20
    assert await doors.counted() == len(events)


async def test_what_arrives_together_is_made_durable_together(doors: Doors, monkeypatch: pytest.MonkeyPatch) -> None:
    journal, appended = doors.api.story.journal, []
    append = journal.append

    async def watched(records: Any) -> Any:
        appended.append(len(records))
        return await append(records)

    monkeypatch.setattr(journal, "append", watched)
    async with doors.connect(compression=None) as connection:
        await _all(connection, [a_document(doors.api.story) for _ in range(40)])
        for _ in range(40):
            assert (await heard(connection))["type"] == "ack"
    assert sum(appended) == 40
    assert len(appended) < 20, appended


async def test_a_sender_that_hangs_up_at_once_loses_nothing_that_arrived(doors: Doors) -> None:
    async with doors.connect() as connection:
        for event in [a_document(doors.api.story) for _ in range(10)]:
            await say(connection, event)
    async with doors.connect() as connection:
        await say(connection, ALERT)
        await heard(connection)
    assert await doors.counted() == 11


@pytest.mark.requirement("SEC-05")
@pytest.mark.parametrize(
    ("message", "code", "field"),
    [
        ("", "malformed_json", "message"),
        ("{", "malformed_json", "body"),
        ('"text"', "invalid_event", ""),
        ("17", "invalid_event", ""),
        ("{}", "invalid_event", "event_id"),
        ("[]", "empty_batch", "events"),
        ('{"events": []}', "empty_batch", "events"),
        ('{"events": [1], "count": 2}', "count_mismatch", "count"),
        ("[" * 50_000, "too_deep", "body"),
        (" " * 1_048_577, "too_large", None),
        (b"\xff\xfe", "malformed_json", "body"),
        ('{"type": "alert", "event_id": "a\\u0000b"}', "invalid_event", "event_id"),
    ],
)
async def test_what_is_wrong_is_told_and_the_stream_goes_on(
    doors: Doors, message: str | bytes, code: str, field: str | None
) -> None:
    async with doors.connect() as connection:
        await say(connection, message)
        refused = await heard(connection)
        assert (refused["type"], refused["code"]) == ("error", code), refused
        assert refused["message"]
        if field is not None:
            assert field in [fault["field"] for fault in refused["errors"]] or field == ""
        await say(connection, ALERT)
        assert (await heard(connection))["type"] == "ack"


async def test_every_bad_field_is_named_with_its_event(doors: Doors) -> None:
    async with doors.connect() as connection:
        await say(connection, a_document(doors.api.story) | {"event_id": "bad", "severity": "huge", "title": 7})
        refused = await heard(connection)
    assert refused["event_id"] == "bad"
    assert {"severity", "title"} <= {fault["field"] for fault in refused["errors"]}


@pytest.mark.requirement("SEC-01")
async def test_a_key_is_needed_in_a_header_or_in_the_address(doors: Doors) -> None:
    ingest, reader = await doors.api.key("ingest"), await doors.api.key("read")
    for path, key, headers in (
        ("/ws/events", ingest, {}),
        ("/ws/events", None, {"X-API-Key": ingest}),
        ("/ws/events", None, {"X-Sentinel-API-Key": ingest}),
        (f"/ws/events?key={ingest}", None, {}),
    ):
        async with doors.connect(path, key, headers=headers) as connection:
            await say(connection, a_document(doors.api.story))
            assert (await heard(connection))["type"] == "ack"
    for path, key, status in (
        ("/ws/events", None, 401),
        ("/ws/events", "wrong", 401),
        ("/ws/events?key=", None, 401),
        (f"/ws/events?key={'x' * 600}", None, 401),
        ("/ws/events", reader, 403),
        ("/ws/incidents", ingest, 403),
        ("/ws/elsewhere", ingest, 404),
    ):
        with pytest.raises(websockets.InvalidStatus) as refused:
            await doors.connect(path, key)
        answer = refused.value.response
        assert answer.status_code == status, path
        assert json.loads(answer.body)["status"] == status
        assert (key or "x" * 600) not in answer.body.decode()


async def test_plain_http_at_a_door_is_told_what_to_do(doors: Doors) -> None:
    for path in ("/ws/events", "/ws/incidents"):
        assert await _plain(doors, path) == 426


@pytest.mark.requirement("SEC-01")
async def test_a_key_that_is_revoked_ends_its_connections(doors: Doors) -> None:
    made = (await doors.api.client.post("/api/v1/api_keys", json={"name": "short", "scopes": ["ingest"]})).json()
    async with doors.connect(key=made["key"]) as idle, doors.connect(key=made["key"]) as busy:
        await say(busy, a_document(doors.api.story))
        assert (await heard(busy))["type"] == "ack"
        await doors.api.client.delete(f"/api/v1/api_keys/{made['id']}")
        await say(busy, a_document(doors.api.story))
        assert (await ended(busy))[0] == 1008
        await doors.doors.tick()
        code, reason = await ended(idle)
        assert code == 1008
        assert "revoked" in reason
    assert await doors.counted() == 1


async def test_heartbeats_go_both_ways_and_silence_ends_it(doors: Doors) -> None:
    clock = doors.api.story.clock
    async with doors.connect() as talking, doors.connect() as silent:
        await say(talking, {"type": "heartbeat"})
        assert await heard(talking) == {"type": "heartbeat"}
        clock.advance(timedelta(seconds=30))
        await doors.doors.tick()
        assert await heard(silent) == {"type": "heartbeat"}
        assert await heard(talking) == {"type": "heartbeat"}
        await say(talking, {"type": "heartbeat", "sent_at": "now"})
        assert await heard(talking) == {"type": "heartbeat"}
        clock.advance(timedelta(seconds=30))
        await doors.doors.tick()
        assert await heard(talking) == {"type": "heartbeat"}
        code, reason = await ended(silent)
        assert code == 1001
        assert "60 s" in reason
        await say(talking, a_document(doors.api.story))
        assert (await heard(talking))["type"] == "ack"


async def test_a_client_that_echoes_heartbeats_keeps_nobody_busy(doors: Doors) -> None:
    async with doors.connect() as connection:
        for _ in range(5):
            await say(connection, {"type": "heartbeat"})
        await say(connection, a_document(doors.api.story))
        assert [(await heard(connection))["type"] for _ in range(2)] == ["heartbeat", "ack"]


@pytest.mark.requirement("ING-08")
async def test_too_many_events_of_a_source_are_refused_one_by_one(doors: Doors) -> None:
    slow = {"name": "llm-sentinel", "events_per_minute": 20}
    assert (await doors.api.client.post("/api/v1/sources", json=slow)).status_code == 201
    async with doors.connect() as connection:
        await _all(connection, [a_document(doors.api.story) for _ in range(30)])
        answers = [await heard(connection) for _ in range(30)]
    refused = [each for each in answers if each["type"] == "error"]
    assert refused
    assert {each["code"] for each in refused} == {"rate_limited"}
    assert all(each["retry_after_seconds"] >= 1 and each["event_id"] for each in refused)
    assert await doors.counted() == 30 - len(refused)


async def test_when_the_server_stops_what_arrived_is_acknowledged_before_the_end(doors: Doors) -> None:
    events = [a_document(doors.api.story) for _ in range(30)]
    async with doors.connect() as connection, doors.connect("/ws/incidents") as watching:
        await _all(connection, events)
        first = await heard(connection)
        assert first["type"] == "ack"
        doors.doors.stop()
        stopping = asyncio.ensure_future(doors.server.stop())
        acknowledged = [first["event_id"]]
        async with asyncio.timeout(SECONDS):
            acknowledged += [json.loads(text)["event_id"] async for text in _until_the_end(connection)]
        assert connection.close_code == 1012
        assert (await ended(watching))[0] == 1012
        async with asyncio.timeout(5):
            await stopping
    assert acknowledged == [event["event_id"] for event in events[: len(acknowledged)]]
    assert await doors.counted() == len(acknowledged)


async def test_a_server_that_stops_lets_nobody_in(doors: Doors) -> None:
    doors.doors.stop()
    with pytest.raises(websockets.InvalidStatus) as refused:
        await doors.connect()
    assert refused.value.response.status_code == 503
    assert refused.value.response.headers["Retry-After"]


async def test_uvicorns_own_protocol_will_do_where_ours_was_not_proven(tmp_path: Path) -> None:
    async with doors_of(tmp_path, protocol="websockets-sansio") as doors, doors.connect() as connection:
        await say(connection, ALERT)
        assert (await heard(connection))["type"] == "ack"
        await say(connection, "{")
        assert (await heard(connection))["type"] == "error"
        doors.doors.stop()
        assert (await ended(connection))[0] == 1012
        assert await doors.counted() == 1


async def _all(connection: Any, documents: list[dict[str, Any]]) -> None:
    for document in documents:
        await say(connection, document)


async def _until_the_end(connection: Any) -> AsyncIterator[str]:
    try:
        while True:
            yield await connection.recv()
    except websockets.ConnectionClosed:
        return


async def _plain(doors: Doors, path: str) -> int:
    async with RawConnection("127.0.0.1", doors.port) as connection:
        await connection.send(f"GET {path} HTTP/1.1\r\nHost: test\r\nX-API-Key: {PLATFORM_KEY}\r\n\r\n".encode())
        answer = await connection.answer()
    assert "WebSocket" in answer.json["detail"]
    return answer.status
