"""CloudEvents 1.0 over HTTP: its three modes, its handshake, its status codes (ING-12)."""

import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from cloudevents.core.bindings.http import to_binary, to_structured
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

from tests.contract.sources.rig import Sender, of, sending

pytestmark = pytest.mark.requirement("ING-12")

STRUCTURED = {"Content-Type": "application/cloudevents+json"}
EVENT: dict[str, Any] = {
    "specversion": "1.0", "id": "a-1", "source": "/chat", "type": "com.example.model.failed", "subject": "gpt-4o",
    "time": "2026-10-31T10:30:00Z",
    "data": {"title": "The model is down", "severity": "critical", "tags": {"team": "rag"}},
}  # fmt: skip


@pytest.fixture
async def producer(tmp_path: Path) -> AsyncIterator[Sender]:
    async with sending(tmp_path, "cloudevents") as sender:
        yield sender


async def test_a_structured_event_is_an_incident_and_its_source_and_id_count_once(producer: Sender) -> None:
    answer = await producer.send(EVENT, headers=STRUCTURED)
    assert (answer.status_code, answer.json()["status"]) == (202, "accepted")
    incident = await producer.incident()
    assert of(incident) == ("The model is down", "availability", "P0", "service", "gpt-4o")
    assert (incident["tags"]["team"], incident["tags"]["ce_type"]) == ("rag", "com.example.model.failed")
    again = await producer.send(EVENT | {"data": {"title": "Other words"}}, headers=STRUCTURED)
    assert again.json()["status"] == "duplicate"
    await producer.send(EVENT | {"source": "/rag"}, headers=STRUCTURED)
    assert [each["event_count"] for each in await producer.incidents()] == [1, 1]


@pytest.mark.parametrize(
    "over",
    [
        {"type": "com.example.model.resolved", "data": {}},
        {"type": "com.example.model.triggered", "data": {"status": "resolved"}},
    ],
)
async def test_a_resolved_type_or_status_ends_what_the_same_subject_began(producer: Sender, over: Any) -> None:
    await producer.send(EVENT | {"type": "com.example.model.triggered"}, headers=STRUCTURED)
    await producer.send(EVENT | over | {"id": "a-2", "subject": "another"}, headers=STRUCTURED)
    assert (await producer.incident())["status"] == "NEW"
    await producer.send(EVENT | over | {"id": "a-3"}, headers=STRUCTURED)
    assert (await producer.incident())["status"] == "RESOLVED"


@pytest.mark.parametrize("form", [to_structured, to_binary])
async def test_the_python_library_s_events_are_read(producer: Sender, form: Any) -> None:
    attributes = {name: EVENT[name] for name in ("specversion", "id", "source", "type", "subject")}
    made = CloudEvent(attributes=attributes | {"datacontenttype": "application/json"}, data=EVENT["data"])
    message = form(made, JSONFormat())
    body = message.body if isinstance(message.body, bytes) else bytes(message.body or b"")
    answer = await producer.send(body, headers=message.headers)
    assert answer.status_code == 202, answer.text
    assert of(await producer.incident()) == ("The model is down", "availability", "P0", "service", "gpt-4o")


@pytest.mark.parametrize("form", ["to_structured", "to_binary"])
async def test_the_python_library_s_older_interface_is_read(producer: Sender, form: str) -> None:
    from cloudevents.v1 import conversion
    from cloudevents.v1.http import CloudEvent as OldEvent

    attributes = {name: EVENT[name] for name in ("source", "type", "subject")}
    headers, body = getattr(conversion, form)(OldEvent(attributes, EVENT["data"]))
    answer = await producer.send(body, headers=headers)
    assert answer.status_code == 202, answer.text
    assert of(await producer.incident()) == ("The model is down", "availability", "P0", "service", "gpt-4o")


async def test_binary_data_of_any_kind_is_read(producer: Sender) -> None:
    headers = {f"ce-{name}": EVENT[name] for name in ("specversion", "source", "type")}
    for number, (kind, body) in enumerate(
        [
            ("", b'{"message": "No type, so it is JSON"}'),
            ("text/plain", b"Plain words"),
            ("image/png", b"\x89PNG"),
            ("", b""),
        ]
    ):
        own = {"ce-id": str(number), "ce-subject": f"s{number}%20x"} | ({"Content-Type": kind} if kind else {})
        assert (await producer.send(body, headers=headers | own)).status_code == 202
    titles = [each["title"] for each in await producer.incidents()]
    assert titles == [
        "No type, so it is JSON", "Plain words", "com.example.model.failed (s2 x)", "com.example.model.failed (s3 x)",
    ]  # fmt: skip


async def test_a_batch_counts_each_and_names_what_is_wrong(producer: Sender) -> None:
    packed = base64.b64encode(b'{"title": "Packed"}').decode()
    batch = [EVENT, EVENT | {"id": "b", "subject": "o1", "data_base64": packed}]
    headers = {"Content-Type": "application/cloudevents-batch+json; charset=utf-8"}
    answer = await producer.send(batch, headers=headers)
    assert (answer.status_code, answer.json()["accepted"]) == (202, 2)
    assert [each["title"] for each in await producer.incidents()] == ["The model is down", "Packed"]
    wrong = await producer.send([EVENT, {"id": "x"}], headers=headers)
    assert wrong.status_code == 400
    assert wrong.json()["errors"][0]["field"] == "[1].specversion"


async def test_data_in_our_own_shape_stays_what_it_is(producer: Sender) -> None:
    own = {
        "event_id": "e", "source": "payments", "timestamp": "2026-10-31T10:30:00Z", "event_type": "alert",
        "category": "security", "title": "Ours", "severity": "P1", "resource": {"type": "model", "id": "m"},
    }  # fmt: skip
    await producer.send(EVENT | {"data": own}, headers=STRUCTURED)
    incident = await producer.incident()
    assert (*of(incident), incident["source"]) == ("Ours", "security", "P1", "model", "m", "payments")


async def test_a_handshake_is_answered_without_a_key(producer: Sender) -> None:
    anybody = producer.api.of(None)
    asked = {"WebHook-Request-Origin": "events.example.com", "WebHook-Request-Rate": "120"}
    for path in ("/api/v1/sources/of-my-settings", "/api/v1/sources/cloudevents?key=whatever"):
        answer = await anybody.request("OPTIONS", path, headers=asked)
        assert answer.status_code == 200
    assert answer.headers["webhook-allowed-origin"] == "events.example.com"
    assert answer.headers["webhook-allowed-rate"] == "120"
    assert "POST" in answer.headers["allow"]
    assert (await anybody.request("OPTIONS", path)).status_code == 400
    assert (await anybody.post("/api/v1/sources/cloudevents", json=EVENT)).status_code == 401


@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        ("application/cloudevents+xml", b"<event/>", 415),
        ("application/cloudevents+json", b"{}", 400),
        ("application/cloudevents+json", json.dumps(EVENT | {"specversion": "0.3"}).encode(), 400),
        ("application/cloudevents-batch+json", b"{}", 400),
        ("application/json", b"not json", 400),
    ],
)
async def test_what_is_no_cloudevent_is_refused_as_the_binding_says(
    producer: Sender, kind: str, body: bytes, status: int
) -> None:
    answer = await producer.send(body, headers={"Content-Type": kind})
    assert answer.status_code == status, answer.text
    assert answer.json()["error"]
    assert await producer.incidents() == []


@pytest.mark.requirement("ING-06")
async def test_a_producer_that_is_too_fast_is_told_when_to_come_back(producer: Sender) -> None:
    made = await producer.api.client.post("/api/v1/sources", json={"name": "cloudevents", "events_per_minute": 1})
    assert made.status_code == 201
    answers = [
        await producer.send(EVENT | {"id": str(number), "subject": str(number)}, headers=STRUCTURED)
        for number in range(3)
    ]
    late = next(answer for answer in answers if answer.status_code != 202)
    assert late.status_code == 429
    assert int(late.headers["retry-after"]) > 0
