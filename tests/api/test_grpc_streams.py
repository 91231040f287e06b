"""Streams in and out: an answer per event, nobody lost, nobody told of what is not theirs (ING-02, ING-08)."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import grpc
import pytest

from llm_incident_manager.api.grpc.arrivals import MOST_BYTES, MOST_EVENTS, Arrivals
from llm_incident_manager.api.grpc.generated import incident_pb2 as pb
from llm_incident_manager.api.grpc.generated import incident_pb2_grpc as calls
from llm_incident_manager.api.grpc.watch import MOST_BEHIND, Changed
from llm_incident_manager.api.rest.metrics import exposition
from llm_incident_manager.engine.accept import BatchReceipt, Receipt
from llm_incident_manager.engine.caller import Caller
from llm_incident_manager.errors import Unavailable
from tests.api.app import Api
from tests.api.grpc_app import Grpc, answering, refused

Code = grpc.StatusCode


class Held:
    """The real intake behind a gate, to look at what happens while an append takes its time."""

    def __init__(self, api: Api) -> None:
        self._intake = api.story.house.intake
        self.gate = asyncio.Event()
        self.waiting = asyncio.Event()
        self.batches: list[int] = []

    async def accept(self, body: bytes, caller: Caller) -> Receipt:
        self.waiting.set()
        await self.gate.wait()
        return await self._intake.accept(body, caller)

    async def accept_items(self, items: Sequence[bytes], caller: Caller, *, each: bool = False) -> BatchReceipt:
        self.waiting.set()
        await self.gate.wait()
        self.batches.append(len(items))
        return await self._intake.accept_items(items, caller, each=each)


async def answers(stream: Any, number: int) -> list[pb.IncidentResponse]:
    async with asyncio.timeout(20):
        return [await stream.read() for _ in range(number)]


async def _until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(15):
        while not holds():  # noqa: ASYNC110  (nobody tells when: it is looked at again and again, for a while)
            await asyncio.sleep(0.01)


@pytest.mark.requirement("ING-02", "ING-08")
async def test_each_event_is_answered_in_order(rpc: Grpc) -> None:
    stream = rpc.client.stream()
    events = [rpc.event() for _ in range(20)]
    for event in events:
        await stream.write(event)
    found = await answers(stream, 20)
    assert [each.event_id for each in found] == [event.event_id for event in events]
    assert {each.status for each in found} == {"accepted"}
    await stream.write(events[0])
    (again,) = await answers(stream, 1)
    assert (again.status, again.incident_id) == ("duplicate", found[0].incident_id)
    await stream.done_writing()
    assert await stream.read() is grpc.aio.EOF
    assert await stream.code() is Code.OK


@pytest.mark.requirement("ING-04")
async def test_a_bad_event_is_rejected_and_the_stream_goes_on(rpc: Grpc) -> None:
    call = rpc.client.channel.stream_stream("/llm.incident.v1.IncidentService/StreamEvents")
    stream = call(metadata=rpc.client.metadata, timeout=20)
    good = rpc.event()
    bad = rpc.event(severity="awful")
    for raw in (bad.SerializeToString(), b"\x0a\x02\xff\xfe", good.SerializeToString()):
        await stream.write(raw)
    rejected, unreadable, accepted = [
        pb.IncidentResponse.FromString(each)  # type: ignore[arg-type]
        for each in await answers(stream, 3)
    ]
    assert (rejected.status, rejected.event_id, rejected.code) == ("rejected", bad.event_id, "invalid_event")
    assert [each.field for each in rejected.errors] == ["severity"]
    assert (unreadable.status, unreadable.code) == ("rejected", "malformed_message")
    assert (accepted.status, accepted.event_id) == ("accepted", good.event_id)
    letters = (await rpc.api.client.get("/api/v1/dead_letters")).json()["dead_letters"]
    assert [letter["reason"].startswith("the event is wrong") for letter in letters] == [True]
    stream.cancel()


@pytest.mark.requirement("ING-06")
async def test_too_many_events_are_answered_one_by_one_with_when_to_come_back(rpc: Grpc) -> None:
    await rpc.api.story.configure({"sources": [{"name": "llm-sentinel", "events_per_minute": 10}]})
    stream = rpc.client.stream()
    for _ in range(13):
        await stream.write(rpc.event())
    found = await answers(stream, 13)
    assert [each.status for each in found] == ["accepted"] * 11 + ["rejected"] * 2
    assert {each.code for each in found[11:]} == {"rate_limited"}
    assert all(each.retry_after_seconds >= 1 for each in found[11:])
    stream.cancel()


@pytest.mark.requirement("ING-08")
async def test_what_arrives_while_an_append_is_under_way_is_answered_after_it(api: Api) -> None:
    held = Held(api)
    async with answering(api, intake=held) as rpc:
        stream = rpc.client.stream()
        events = [rpc.event() for _ in range(31)]
        await stream.write(events[0])
        await asyncio.wait_for(held.waiting.wait(), 10)
        for event in events[1:]:
            await stream.write(event)
        held.gate.set()
        found = await answers(stream, 31)
        assert [each.event_id for each in found] == [event.event_id for event in events]
        assert {each.status for each in found} == {"accepted"}
        assert (held.batches[0], sum(held.batches)) == (1, 31)
        stream.cancel()


@pytest.mark.requirement("ING-08")
async def test_a_full_stream_is_not_read_further_until_it_is_emptied() -> None:
    read = 0

    async def requests() -> Any:
        nonlocal read
        for _ in range(3 * MOST_EVENTS):
            read += 1
            yield b"x"

    arrivals = Arrivals()
    filling = asyncio.create_task(arrivals.fill(requests()))
    sizes = []
    while taken := await arrivals.take():
        sizes.append(len(taken))
        assert read <= sum(sizes) + MOST_EVENTS
    assert sum(sizes) == 3 * MOST_EVENTS
    assert max(sizes) == MOST_EVENTS
    await filling

    async def large() -> Any:
        for _ in range(8):
            yield b"x" * (MOST_BYTES // 2)

    arrivals = Arrivals()
    filling = asyncio.create_task(arrivals.fill(large()))
    assert len(await arrivals.take()) == 2
    filling.cancel()


@pytest.mark.requirement("ING-05", "ING-08")
async def test_what_became_durable_after_the_deadline_is_a_duplicate_when_it_is_sent_again(api: Api) -> None:
    held = Held(api)
    async with answering(api, intake=held) as rpc:
        event = rpc.event()
        late = await refused(rpc.client.create(event, timeout=0.3))
        assert late.code is Code.DEADLINE_EXCEEDED
        assert held.waiting.is_set()
        held.gate.set()
        again = await rpc.client.create(event)
        assert again.status == "duplicate"
        assert (await rpc.client.get(again.incident_id)).event_count == 1


@pytest.mark.requirement("ING-05", "ING-08")
async def test_hanging_up_does_not_undo_what_was_begun(api: Api) -> None:
    held = Held(api)
    async with answering(api, intake=held) as rpc:
        event = rpc.event()
        stream = rpc.client.stream()
        await stream.write(event)
        await asyncio.wait_for(held.waiting.wait(), 10)
        stream.cancel()
        await _until(lambda: 'status="CANCELLED"' in exposition(api.port.telemetry.snapshot()))
        assert held.batches == []  # the call is over, its work is not
        held.gate.set()
        await _until(lambda: api.story.house.seen.lookup(("default", event.source, event.event_id))[0])


@pytest.mark.requirement("REL-05")
async def test_when_the_server_stops_streams_are_answered_and_ended(rpc: Grpc) -> None:
    stream, watch = rpc.client.stream(), rpc.client.watch()
    await stream.write(rpc.event())
    assert (await answers(stream, 1))[0].status == "accepted"
    await watch.initial_metadata()
    rpc.port.stopping.set()
    ended = await refused(stream.read())
    assert (ended.code, ended.reason) == (Code.UNAVAILABLE, "STOPPING")
    watched = await refused(_changes(watch))
    assert watched.code is Code.UNAVAILABLE
    async with asyncio.timeout(10):
        await rpc.server.stop()


@pytest.mark.requirement("REL-05")
async def test_when_the_server_stops_somebody_who_never_pauses_is_ended_too(rpc: Grpc) -> None:
    await rpc.api.story.configure({"sources": [{"name": "llm-sentinel", "events_per_minute": 100_000_000}]})
    loop = asyncio.get_running_loop()

    def endless() -> Iterator[pb.IncidentRequest]:
        while True:
            yield rpc.event()

    def talk() -> tuple[Any, str]:
        with grpc.insecure_channel(rpc.address) as channel:
            stub = calls.IncidentServiceStub(channel)  # type: ignore[no-untyped-call]
            stream = stub.StreamEvents(endless(), metadata=rpc.client.metadata, timeout=30)
            try:
                for number, answer in enumerate(stream):
                    assert answer.status == "accepted"
                    if number == 50:
                        loop.call_soon_threadsafe(rpc.port.stopping.set)
            except grpc.RpcError:
                pass
            return stream.code(), stream.details()

    code, message = await asyncio.to_thread(talk)
    assert (code, message) == (Code.UNAVAILABLE, "the server is stopping; send what was not answered again")


@pytest.mark.requirement("ING-02")
async def test_batches_are_answered_event_by_event(rpc: Grpc) -> None:
    stream = rpc.client.stub.StreamBatches(metadata=rpc.client.metadata, timeout=20)
    events = [rpc.event(), rpc.event(severity="awful"), rpc.event()]
    await stream.write(pb.EventBatch(batch_id="b-1", events=[*events, events[0]]))
    (found,) = await answers(stream, 1)
    assert (found.batch_id, found.accepted, found.duplicates, found.rejected) == ("b-1", 2, 1, 1)  # type: ignore[attr-defined]
    results = found.results  # type: ignore[attr-defined]
    assert [each.status for each in results] == ["accepted", "rejected", "accepted", "duplicate"]
    assert results[3].incident_id == results[0].incident_id
    await stream.write(pb.EventBatch())
    ended = await refused(stream.read())
    assert (ended.code, ended.reason, ended.fields) == (Code.INVALID_ARGUMENT, "EMPTY_BATCH", ["events"])


@pytest.mark.requirement("SEC-05")
async def test_a_batch_has_an_end(rpc: Grpc) -> None:
    stream = rpc.client.stub.StreamBatches(metadata=rpc.client.metadata, timeout=20)
    await stream.write(pb.EventBatch(events=[pb.IncidentRequest()] * 1001))
    assert (await refused(stream.read())).reason == "BATCH_TOO_LARGE"


async def _changes(watch: Any) -> list[pb.IncidentChange]:
    return [each async for each in watch]


async def _next(watch: Any) -> pb.IncidentChange:
    async with asyncio.timeout(15):
        change: pb.IncidentChange = await watch.read()
        return change


@pytest.mark.requirement("ING-02")
async def test_whoever_watches_is_told_what_opens_and_what_changes(rpc: Grpc) -> None:
    watch = rpc.client.watch()
    await watch.initial_metadata()
    incident_id = await rpc.incident()
    opened = await _next(watch)
    assert (opened.kind, opened.incident.id, opened.incident.status) == ("opened", incident_id, "NEW")
    await rpc.client.update(incident_id, "take")
    await rpc.api.story.settle()
    changed = await _next(watch)
    while changed.incident.status == "NEW":  # that its page was delivered is a change too
        changed = await _next(watch)
    assert (changed.kind, changed.incident.id, changed.incident.status) == ("changed", incident_id, "ACKNOWLEDGED")
    watch.cancel()


@pytest.mark.requirement("ING-02")
@pytest.mark.parametrize(
    "wanted",
    [
        pb.WatchRequest(severity=["P0", "P1"]),
        pb.WatchRequest(category=["security"]),
        pb.WatchRequest(source=["llm-shield"]),
        pb.WatchRequest(environment=["staging"]),
        pb.WatchRequest(tags={"region": "eu"}),
        pb.WatchRequest(status=["NEW"], category=["security"], tags={"region": "eu", "env": "staging"}),
    ],
)
async def test_a_filter_lets_only_what_it_names_pass(rpc: Grpc, wanted: pb.WatchRequest) -> None:
    watch = rpc.client.watch(wanted)
    await watch.initial_metadata()
    await rpc.incident(severity="low", category="cost", tags={"region": "us"})
    fits = {"severity": "critical", "category": "security", "source": "llm-shield"}
    incident_id = await rpc.incident(**fits, tags={"region": "eu", "env": "staging"})
    assert (await _next(watch)).incident.id == incident_id
    watch.cancel()


async def test_a_filter_that_is_no_word_is_named(rpc: Grpc) -> None:
    answer = await refused(rpc.client.watch(pb.WatchRequest(severity=["P0", "P9"], status=["DONE"])).read())
    assert (answer.code, answer.fields) == (Code.INVALID_ARGUMENT, ["severity[1]", "status[0]"])


@pytest.mark.requirement("SEC-01")
async def test_nobody_is_told_of_another_tenants_incidents(rpc: Grpc) -> None:
    assert (await rpc.api.client.post("/api/v1/tenants", json={"id": "acme", "name": "Acme"})).status_code == 201
    other = rpc.of(await rpc.api.key("ingest", "read", tenant_id="acme"))
    watch = other.watch()
    await watch.initial_metadata()
    await rpc.incident()
    theirs = (await other.create(rpc.event())).incident_id
    assert (await _next(watch)).incident.id == theirs
    watch.cancel()


@pytest.mark.requirement("ING-02", "SEC-05")
async def test_a_watcher_that_is_too_far_behind_is_told_to_read_again() -> None:
    async def messages() -> Any:
        for number in range(MOST_BEHIND // 100 + 1):
            yield {"tenant": "default", "ids": [f"INC-{number}-{each}" for each in range(100)], "opened": number == 0}

    changed = Changed("default")
    await changed.follow(messages())
    with pytest.raises(Unavailable, match="too far behind"):
        changed.take()


async def test_changes_of_one_incident_that_follow_each_other_come_as_one() -> None:
    async def messages() -> Any:
        yield {"tenant": "default", "ids": ["INC-1"], "opened": True}
        yield {"tenant": "acme", "ids": ["INC-9"]}
        yield {"tenant": "default", "ids": ["INC-2", "INC-1"]}

    changed = Changed("default")
    await changed.follow(messages())
    assert changed.take() == {"INC-1": "opened", "INC-2": "changed"}
    assert changed.take() == {}
