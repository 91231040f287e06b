"""One suite for both ways into the intake, ASGI and the short cut before it: nobody outside can tell them apart."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from llm_incident_manager.api.rest.fast_protocol import Answers, FastProtocol
from llm_incident_manager.app.http_server import HttpServer, bind
from tests.api.app import PLATFORM_KEY, Api, a_document, opened
from tests.api.raw_http import RawAnswer, RawConnection, request

pytestmark = [pytest.mark.requirement("ING-01"), pytest.mark.requirement("ING-08")]
JSON = "Content-Type: application/json"


class Watched(FastProtocol):
    """The short cut, counting what it answers itself."""

    answered = 0

    def _write(self, *given: Any) -> None:
        Watched.answered += 1
        super()._write(*given)


class Door:
    """A server on a real socket, speaking through one of the two ways."""

    def __init__(self, api: Api, port: int, way: str) -> None:
        self.api = api
        self.way = way
        self._port = port

    def connection(self) -> RawConnection:
        return RawConnection("127.0.0.1", self._port)

    def body(self, **fields: Any) -> bytes:
        return json.dumps(a_document(self.api.story) | fields).encode()

    async def post(self, body: bytes, *headers: str, key: str | None = PLATFORM_KEY) -> RawAnswer:
        async with self.connection() as connection:
            await connection.send(request(body, *headers, key=key))
            return await connection.answer()

    async def counted(self) -> int:
        """Return how many events all incidents count together, once triage has caught up."""
        await self.api.story.settle()
        answer = await self.api.client.get("/api/v1/incidents?limit=100")
        return sum(incident["event_count"] for incident in answer.json()["incidents"])


@pytest.fixture(params=["asgi", "short cut"])
async def door(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Door]:
    async with opened(tmp_path) as api:
        await api.story.house.warm()
        Watched.answered = 0
        listener = bind("127.0.0.1", 0)
        protocol = partial(Watched, api.port, Answers(api.port)) if request.param == "short cut" else "httptools"
        server = HttpServer(api.app, listener, protocol=protocol)
        await server.start()
        yield Door(api, listener.getsockname()[1], request.param)
        await server.stop()
        listener.close()


async def test_a_plain_event_is_accepted_and_known_again(door: Door) -> None:
    body = door.body(event_id="once")
    first = await door.post(body, JSON)
    again = await door.post(body, JSON)
    assert (first.status, first.json["status"], first.json["event_id"]) == (202, "accepted", "once")
    assert (again.status, again.json["status"]) == (202, "duplicate")
    assert again.json["incident_id"] == first.json["incident_id"]
    assert first.headers["content-type"] == "application/json"
    assert set(first.headers) == {"date", "content-type", "content-length"}
    assert Watched.answered == (2 if door.way == "short cut" else 0)
    assert await door.counted() == 1


async def test_one_connection_serves_many_events(door: Door) -> None:
    async with door.connection() as connection:
        for _ in range(20):
            await connection.send(request(door.body(), key=PLATFORM_KEY))
            assert (await connection.answer()).status == 202
    assert await door.counted() == 20


async def test_heads_that_are_alike_are_still_read(door: Door) -> None:
    """The short cut knows a head again; every way in which the next request may differ from it is looked at."""
    async with door.connection() as connection:
        for size in (1, 10, 100, 1000, 10_000, 7):
            await connection.send(request(door.body(description="x" * size), JSON, key=PLATFORM_KEY))
            assert (await connection.answer()).status == 202, size
        body = door.body()
        whole = request(body, JSON, key=PLATFORM_KEY)
        await connection.send(whole + whole)
        assert [(await connection.answer()).json["status"] for _ in range(2)] == ["accepted", "duplicate"]
        await connection.send(whole[:-9], whole[-9:])
        assert (await connection.answer()).json["status"] == "duplicate"
        await connection.send(whole.replace(b"Content-Length: ", b"Content-Length: 00"))
        assert (await connection.answer()).json["status"] == "duplicate"
        await connection.send(request(body, JSON, key="wrong" + PLATFORM_KEY[5:]))
        assert (await connection.answer()).status == 401
        await connection.send(request(body, JSON, "X-Tenant: nobody", key=PLATFORM_KEY))
        assert (await connection.answer()).status == 404
        await connection.send(whole.replace(b"POST", b"PUT "))
        assert (await connection.answer()).status in (400, 405)
    assert await door.counted() == 7


async def test_a_length_that_lies_after_a_known_head_is_waited_for_or_refused(door: Door) -> None:
    async with door.connection() as connection:
        body = door.body()
        await connection.send(request(body, JSON, key=PLATFORM_KEY))
        assert (await connection.answer()).status == 202
        longer = request(body, JSON, key=PLATFORM_KEY, length=len(body) + 1)
        await connection.send(longer, b" ")
        assert (await connection.answer()).json["status"] == "duplicate"
        await connection.send(request(body, JSON, key=PLATFORM_KEY, length=10**12))
        assert (await connection.answer()).status == 413


@pytest.mark.requirement("SEC-04")
async def test_a_source_that_has_its_networks_may_not_send_from_elsewhere(door: Door) -> None:
    await door.api.story.configure({"sources": [{"name": "llm-sentinel", "allow_ips": ["192.0.2.0/24"]}]})
    async with door.connection() as connection:
        for _ in range(2):
            await connection.send(request(door.body(source="llm-sentinel"), JSON, key=PLATFORM_KEY))
            answer = await connection.answer()
            assert (answer.status, answer.json["code"]) == (403, "address_refused")
    assert await door.counted() == 0


async def test_bearer_is_as_good_as_the_other_header(door: Door) -> None:
    assert (await door.post(door.body(), f"Authorization: Bearer {PLATFORM_KEY}", key=None)).status == 202
    assert (await door.post(door.body(), f"authorization: bearer {PLATFORM_KEY}", key=None)).status == 202


@pytest.mark.requirement("SEC-01")
async def test_no_key_and_wrong_keys_are_refused(door: Door) -> None:
    reader = await door.api.key("read")
    for key, status in ((None, 401), ("wrong", 401), ("x" * 600, 401), ("ö", 401), (reader, 403)):
        answer = await door.post(door.body(), JSON, key=key)
        assert answer.status == status, key
        assert answer.headers["content-type"] == "application/problem+json"
        assert ("www-authenticate" in answer.headers) == (status == 401)
    assert await door.counted() == 0


@pytest.mark.requirement("SEC-01")
async def test_a_revoked_key_is_refused_on_a_connection_that_it_opened(door: Door) -> None:
    made = await door.api.client.post("/api/v1/api_keys", json={"name": "short", "scopes": ["ingest"]})
    async with door.connection() as connection:
        await connection.send(request(door.body(), key=made.json()["key"]))
        assert (await connection.answer()).status == 202
        await door.api.client.delete(f"/api/v1/api_keys/{made.json()['id']}")
        await connection.send(request(door.body(), key=made.json()["key"]))
        assert (await connection.answer()).status == 401


@pytest.mark.requirement("SEC-05")
@pytest.mark.parametrize(
    ("body", "header", "status"),
    [
        (b"", JSON, 400),
        (b"   ", JSON, 400),
        (b"{", JSON, 400),
        (b"\xff\xfe", JSON, 400),
        (b"{}", JSON, 422),
        (b"[]", JSON, 422),
        (b"{}", "Content-Type: text/plain", 415),
        (b"{}", "Content-Encoding: br", 415),
        (b"not gzip", "Content-Encoding: gzip", 400),
        (b" " * 1_048_577, JSON, 413),
        (b"[" * 100_000, JSON, 422),
    ],
)
async def test_bad_input_is_named(door: Door, body: bytes, header: str, status: int) -> None:
    answer = await door.post(body, header)
    assert answer.status == status, answer
    assert answer.json["status"] == status
    assert answer.json["code"]


async def test_every_bad_field_is_named(door: Door) -> None:
    answer = await door.post(door.body(severity="enormous", category="weather", title=""), JSON)
    assert answer.status == 422
    assert {"severity", "category", "title"} <= {fault["field"] for fault in answer.json["errors"]}


async def test_a_batch_is_accepted_in_order(door: Door) -> None:
    events = [json.loads(door.body(event_id=f"batch-{number}")) for number in range(10)]
    events[3]["severity"] = "enormous"
    answer = await door.post(json.dumps([*events, events[0]]).encode(), JSON)
    assert answer.status == 202
    assert (answer.json["accepted"], answer.json["duplicates"], answer.json["rejected"]) == (9, 1, 1)
    assert [each["event_id"] for each in answer.json["results"]][:10] == [f"batch-{number}" for number in range(10)]
    assert answer.json["results"][10]["incident_id"] == answer.json["results"][0]["incident_id"]
    assert await door.counted() == 9


async def test_a_body_may_come_in_pieces_or_in_chunks(door: Door) -> None:
    async with door.connection() as connection:
        whole = request(door.body(), JSON, key=PLATFORM_KEY)
        await connection.send(whole[:30], whole[30:200], whole[200:-5], whole[-5:])
        assert (await connection.answer()).status == 202
        body = door.body()
        head = request(b"", JSON, "Transfer-Encoding: chunked", key=PLATFORM_KEY, length=-1)
        chunks = b"%x\r\n%b\r\n%x\r\n%b\r\n0\r\n\r\n" % (7, body[:7], len(body) - 7, body[7:])
        await connection.send(head, chunks)
        assert (await connection.answer()).status == 202
        await connection.send(head + chunks)
        assert (await connection.answer()).json["status"] == "duplicate"
    assert await door.counted() == 2


async def test_pipelined_requests_are_answered_in_order(door: Door) -> None:
    events = [request(door.body(event_id=f"pipe-{number}"), JSON, key=PLATFORM_KEY) for number in range(6)]
    health = b"GET /health HTTP/1.1\r\nHost: test\r\n\r\n"
    batch = request(b"[" + door.body(event_id="in a batch") + b"]", JSON, key=PLATFORM_KEY)
    async with door.connection() as connection:
        await connection.send(b"".join([*events[:3], health, events[3], batch, *events[4:]]))
        answers = [await connection.answer() for _ in range(8)]
    assert [answer.status for answer in answers] == [202, 202, 202, 200, 202, 202, 202, 202]
    assert [answer.json.get("event_id") for answer in answers[:3]] == ["pipe-0", "pipe-1", "pipe-2"]
    assert [answers[place].json["event_id"] for place in (4, 6, 7)] == ["pipe-3", "pipe-4", "pipe-5"]
    assert answers[5].json["results"][0]["event_id"] == "in a batch"
    assert await door.counted() == 7


@pytest.mark.requirement("SEC-05")
async def test_gzip_is_unpacked_and_a_bomb_is_not(door: Door) -> None:
    assert (await door.post(gzip.compress(door.body(), mtime=0), "Content-Encoding: gzip")).status == 202
    bomb = gzip.compress(b" " * 50_000_000, mtime=0)
    answer = await door.post(bomb, "Content-Encoding: gzip")
    assert answer.status == 413
    assert await door.counted() == 1


@pytest.mark.requirement("SEC-05")
@pytest.mark.parametrize(
    "lengths",
    [
        ("Content-Length: 4", "Transfer-Encoding: chunked"),
        ("Content-Length: 4", "Content-Length: 5"),
        ("Content-Length: +4",),
        ("Content-Length: 4, 4",),
        ("Transfer-Encoding: chunked, identity",),
        ("Content-Length : 4",),
    ],
)
async def test_nobody_smuggles_a_request_in_anothers_body(door: Door, lengths: tuple[str, ...]) -> None:
    hidden = request(door.body(event_id="smuggled"), JSON, key=PLATFORM_KEY)
    body = b"0\r\n\r\n" + hidden
    async with door.connection() as connection:
        await connection.send(request(body, JSON, *lengths, key=PLATFORM_KEY, length=-1))
        answer = await connection.answer()
        assert answer.status in (400, 422), answer
        assert answer.status != 202
        if answer.status == 400 and answer.headers.get("connection") == "close":
            assert await connection.ended()
    assert await door.counted() == 0


async def test_a_path_that_only_looks_alike_goes_elsewhere(door: Door) -> None:
    async with door.connection() as connection:
        await connection.send(request(door.body(), JSON, key=PLATFORM_KEY, path="/api/v1/events/"))
        assert (await connection.answer()).status == 404
        await connection.send(request(door.body(), JSON, key=PLATFORM_KEY, path="/api/v1/%65vents"))
        assert (await connection.answer()).status == 202
        await connection.send(request(door.body(), JSON, key=PLATFORM_KEY, path="/api/v1/events?a=b"))
        assert (await connection.answer()).status == 202
        await connection.send(b"GET /api/v1/events HTTP/1.1\r\nHost: test\r\nContent-Length: 0\r\n\r\n")
        assert (await connection.answer()).status == 405


async def test_whoever_wants_to_go_on_or_to_end_is_heard(door: Door) -> None:
    async with door.connection() as connection:
        body = door.body()
        whole = request(body, "Expect: 100-continue", key=PLATFORM_KEY)
        await connection.send(whole[: -len(body)])
        assert (await connection.answer()).status == 100
        await connection.send(body)
        assert (await connection.answer()).status == 202
        await connection.send(request(door.body(), "Connection: close", key=PLATFORM_KEY))
        last = await connection.answer()
        assert (last.status, last.headers["connection"]) == (202, "close")
        assert await connection.ended()
    async with door.connection() as connection:
        await connection.send(request(door.body(), key=PLATFORM_KEY).replace(b"HTTP/1.1", b"HTTP/1.0"))
        assert (await connection.answer()).status == 202
        assert await connection.ended()


async def test_whoever_hangs_up_in_the_middle_leaves_nothing(door: Door) -> None:
    async with door.connection() as connection:
        await connection.send(request(door.body(), key=PLATFORM_KEY)[:-10])
    async with door.connection() as connection:
        await connection.send(request(door.body(), key=PLATFORM_KEY))
        assert (await connection.answer()).status == 202
    assert await door.counted() == 1


async def test_the_same_event_at_once_is_counted_once(door: Door) -> None:
    body = door.body(event_id="all at once")
    answers = await asyncio.gather(*(door.post(body, JSON) for _ in range(32)))
    assert sorted(answer.json["status"] for answer in answers) == ["accepted"] + ["duplicate"] * 31
    assert len({answer.json["incident_id"] for answer in answers}) == 1
    assert await door.counted() == 1


async def test_another_tenant_is_reached_only_by_a_platform_key(door: Door) -> None:
    await door.api.client.post("/api/v1/tenants", json={"id": "other", "name": "Other"})
    ingest = await door.api.key("ingest")
    assert (await door.post(door.body(), "X-Tenant: other")).status == 202
    assert (await door.post(door.body(), "X-Tenant: other", key=ingest)).status == 404
    assert (await door.post(door.body(), "X-Tenant: nobody")).status == 404
    assert await door.counted() == 0


@pytest.mark.requirement("ING-08")
async def test_too_many_events_of_a_source_are_refused_with_the_time_to_wait(door: Door) -> None:
    slow = {"name": "llm-sentinel", "events_per_minute": 20}
    assert (await door.api.client.post("/api/v1/sources", json=slow)).status_code == 201
    statuses = set()
    async with door.connection() as connection:
        for _ in range(30):
            await connection.send(request(door.body(), JSON, key=PLATFORM_KEY))
            answer = await connection.answer()
            statuses.add(answer.status)
            if answer.status == 429:
                assert int(answer.headers["retry-after"]) >= 1
                assert answer.json["code"] == "rate_limited"
                break
    assert statuses == {202, 429}


async def test_requests_are_counted_under_their_path(door: Door) -> None:
    for _ in range(3):
        await door.post(door.body(), JSON)
    snapshot = door.api.port.telemetry.snapshot()
    labels = (("method", "POST"), ("path", "/api/v1/events"), ("status", "202"))
    assert snapshot.counters["api_requests_total"][labels] == 3
