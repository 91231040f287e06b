"""The SDK's streams against the real doors: everything arrives once, whatever happens on the way."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from llm_incident_manager.api.websocket.port import WebSocketLimits
from llm_incident_manager.client import event_stream
from llm_incident_manager.client.errors import Refused, Unreachable
from llm_incident_manager.client.event_client import EventClient
from llm_incident_manager.client.event_stream import EventStream, NotAnEvent, Rejection
from llm_incident_manager.client.incident_stream import IncidentStream
from tests.api.app import PLATFORM_KEY, a_document
from tests.api.streaming import SECONDS, Doors, doors_of

pytestmark = pytest.mark.requirement("ING-03")


@pytest.fixture
async def doors(tmp_path: Path) -> AsyncIterator[Doors]:
    async with doors_of(tmp_path / "server") as doors:
        yield doors
        doors.api.story.pages.clear()


def _stream(doors: Doors, tmp_path: Path, key: str | None = PLATFORM_KEY, **options: Any) -> EventStream:
    return EventStream(f"http://127.0.0.1:{doors.port}", key, spool=tmp_path / "spool", **options)


async def _until(holds: Any) -> None:
    async with asyncio.timeout(SECONDS):
        while not holds():  # noqa: ASYNC110 - what is awaited is on the other side of a socket
            await asyncio.sleep(0.005)


async def test_events_go_out_in_batches_and_are_counted_once(doors: Doors, tmp_path: Path) -> None:
    async with _stream(doors, tmp_path, batch_seconds=3600) as stream:
        events = [a_document(doors.api.story) for _ in range(250)]
        names = [stream.send(event) for event in [*events, *events[:10]]]
        assert names[:250] == [event["event_id"] for event in events]
        await _until(lambda: stream.acknowledged == 200)
        assert stream.waiting == 50, "a batch that is not full waits for its time"
        assert await stream.flush(SECONDS)
        assert (stream.acknowledged, stream.waiting, stream.connected) == (250, 0, True)
    assert await doors.counted() == 250
    assert not list((tmp_path / "spool").glob("*.events"))


async def test_a_batch_that_is_not_full_goes_when_its_time_has_come(doors: Doors, tmp_path: Path) -> None:
    async with _stream(doors, tmp_path, batch_seconds=0.05) as stream:
        stream.send(a_document(doors.api.story))
        await _until(lambda: stream.acknowledged == 1)


async def test_what_is_missing_is_filled_in_before_the_event_is_kept(doors: Doors, tmp_path: Path) -> None:
    document = a_document(doors.api.story)
    for name in ("event_id", "source"):
        del document[name]
    async with _stream(doors, tmp_path, source="my-app") as stream:
        assert b'"timestamp":"' in stream._written({"title": "no time"})[1]
        first, second = stream.send(document), stream.send(document)
        assert first != second
        with pytest.raises(NotAnEvent, match="cannot be written as JSON"):
            stream.send(document | {"payload": {"value": float("nan")}})
        with pytest.raises(NotAnEvent, match="255"):
            stream.send(document | {"event_id": "x" * 256})
        with pytest.raises(NotAnEvent, match="1000000"):
            stream.send(document | {"description": "x" * 1_000_001})
    assert await doors.counted() == 2


async def test_a_refused_event_is_told_and_holds_up_no_other(doors: Doors, tmp_path: Path) -> None:
    told: list[Rejection] = []
    async with _stream(doors, tmp_path, on_rejected=told.append) as stream:
        stream.send(a_document(doors.api.story))
        bad = stream.send(a_document(doors.api.story) | {"severity": "enormous"})
        nameless = stream.send(a_document(doors.api.story) | {"event_id": " "})
        stream.send(a_document(doors.api.story))
        assert await stream.flush(SECONDS)
        assert (stream.acknowledged, stream.rejected) == (2, 2)
    assert {each.event_id for each in told} == {bad, nameless}
    assert next(each for each in told if each.event_id == bad).errors[0][0] == "severity"
    assert await doors.counted() == 2


async def test_what_is_limited_is_kept_to_be_sent_again_later(doors: Doors, tmp_path: Path) -> None:
    slow = {"name": "llm-sentinel", "events_per_minute": 20}
    assert (await doors.api.client.post("/api/v1/sources", json=slow)).status_code == 201
    async with _stream(doors, tmp_path) as stream:
        for _ in range(30):
            stream.send(a_document(doors.api.story))
        flushing = asyncio.ensure_future(stream.flush(SECONDS))
        await _until(lambda: stream.acknowledged >= 20 and stream.acknowledged + stream._spool.unsent == 30)
        assert (stream.rejected, flushing.done()) == (0, False)
        flushing.cancel()
        waits = stream.waiting
        assert waits > 0
        assert not await stream.close(0.0)
    assert await doors.counted() == 30 - waits


async def test_cut_off_it_spools_and_sends_the_rest_when_the_server_is_back(tmp_path: Path) -> None:
    async with doors_of(tmp_path / "server") as doors:
        port = doors.port
        documents = [a_document(doors.api.story) for _ in range(20)]
        stream = _stream(doors, tmp_path, attempts=2, retry_seconds=0.2)
        async with stream:
            stream.send(documents[0])
            assert await stream.flush(SECONDS)
            doors.doors.stop()
            await _until(lambda: stream.cut_off)
            for document in documents[1:]:
                stream.send(document)
            assert stream.waiting == 19
            assert stream.last_error == "the server answered 503 to the handshake"
            doors.doors._stopping = False
            assert await stream.flush(SECONDS)
            assert not stream.cut_off
        assert await doors.counted() == 20
        assert port == doors.port
        doors.api.story.pages.clear()


async def test_a_wrong_key_is_not_tried_over_and_over(doors: Doors, tmp_path: Path) -> None:
    async with _stream(doors, tmp_path, "wrong") as stream:
        stream.send(a_document(doors.api.story))
        await _until(lambda: stream.cut_off)
        assert stream.last_error == "the server answered 401 to the handshake"
        assert not await stream.close(0.2)
    async with _stream(doors, tmp_path) as stream:
        assert stream.waiting == 1
        assert await stream.flush(SECONDS)
    assert await doors.counted() == 1


async def test_a_connection_cut_in_the_middle_is_made_again(
    doors: Doors, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_stream, "FIRST_WAIT_SECONDS", 0.01)
    async with _stream(doors, tmp_path, batch_size=7) as stream:
        for number in range(300):
            stream.send(a_document(doors.api.story))
            if number % 60 == 30:
                await _until(lambda: stream.connected)
                for session in list(doors.doors._sessions["/ws/events"]):
                    session.end(1012, "cut by the test")
        assert await stream.flush(SECONDS)
    assert await doors.counted() == 300


async def test_ordinary_code_sends_from_its_own_thread(doors: Doors, tmp_path: Path) -> None:
    documents = [a_document(doors.api.story) for _ in range(50)]

    def work() -> tuple[bool, int]:
        with EventClient(f"http://127.0.0.1:{doors.port}", PLATFORM_KEY, spool=tmp_path / "spool") as client:
            for document in documents:
                client.send(document)
            assert client.flush(SECONDS)
            client.send(documents[0])
            complete = client.close(SECONDS)
            assert client.close()
            return complete, client.stream.acknowledged

    assert await asyncio.to_thread(work) == (True, 51)
    assert await doors.counted() == 50


async def test_incidents_are_followed_over_a_cut(doors: Doors) -> None:
    found: list[str] = []
    stream = IncidentStream(f"http://127.0.0.1:{doors.port}", PLATFORM_KEY, filters={"severity": ["P1", "P2"]})

    async def follow() -> None:
        async for change in stream:
            assert change["type"] == "incident"
            found.append(change["incident"]["id"])

    following = asyncio.ensure_future(follow())
    await _until(lambda: doors.doors._sessions["/ws/incidents"])
    first = await doors.api.event()
    await doors.told()
    await _until(lambda: first["incident_id"] in found)
    for session in list(doors.doors._sessions["/ws/incidents"]):
        session.end(1012, "cut by the test")
    second = await doors.api.event()
    await doors.told()
    await _until(lambda: second["incident_id"] in found)
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)


async def _first(stream: IncidentStream) -> dict[str, Any]:
    async with asyncio.timeout(SECONDS):
        async for change in stream:
            return change
    raise AssertionError("it ended by itself")


async def test_whoever_follows_is_told_what_is_wrong(doors: Doors) -> None:
    url = f"http://127.0.0.1:{doors.port}"
    with pytest.raises(Refused) as unknown:
        await _first(IncidentStream(url, "wrong"))
    assert (unknown.value.status, unknown.value.code) == (401, "key_unknown")
    with pytest.raises(Refused) as wrong:
        await _first(IncidentStream(url, PLATFORM_KEY, filters={"severity": "P9"}))
    assert wrong.value.errors[0][0] == "filters.severity"
    assert "P9" in wrong.value.detail
    with pytest.raises(Unreachable, match="does not answer"):
        await _first(IncidentStream("http://127.0.0.1:9", PLATFORM_KEY, attempts=1))


async def test_a_batch_that_the_server_cannot_take_is_sent_in_pieces(tmp_path: Path) -> None:
    """Its limit is smaller than ours: what fits by itself arrives, what does not is told, nothing waits for ever."""
    limits = WebSocketLimits(message_bytes=4000)
    told: list[Rejection] = []
    async with doors_of(tmp_path / "server", limits) as doors:
        async with _stream(doors, tmp_path, batch_size=10, on_rejected=told.append) as stream:
            for number in range(20):
                stream.send(a_document(doors.api.story) | {"description": "x" * (5000 if number == 7 else 500)})
            assert await stream.flush(SECONDS), stream.last_error
            assert (stream.acknowledged, stream.rejected) == (19, 1)
        assert told[0].code == "too_large"
        assert await doors.counted() == 19
        doors.api.story.pages.clear()
