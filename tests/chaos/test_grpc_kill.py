"""``kill -9`` amid gRPC streams: what was answered is there, the rest is sent again, and counts are right."""

import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc
import pytest

from llm_incident_manager.api.grpc.generated import incident_pb2 as pb
from llm_incident_manager.api.grpc.generated import incident_pb2_grpc as calls
from tests.process import KEY, ServerProcess

EVENTS = 3000
PROBLEMS = 7
KILLS = 3
METADATA = (("authorization", f"Bearer {KEY}"),)
CONFIG = "limits: {events_per_minute_per_source: 10000000}\n"


def events() -> list[pb.IncidentRequest]:
    """Return what a client has to get rid of: a few problems, told again and again."""
    now = datetime.now(UTC).isoformat()
    return [
        pb.IncidentRequest(
            event_id=f"stream-{number}",
            source="llm-shield",
            timestamp=now,
            event_type="violation",
            category="security",
            title=f"Problem {number % PROBLEMS}",
            severity="info",
            resource=pb.Resource(type="model", id="model-prod"),
        )
        for number in range(EVENTS)
    ]


def sent(server: ServerProcess, waiting: Sequence[pb.IncidentRequest], kill_after: int | None) -> dict[str, str]:
    """Stream ``waiting`` and return the answers by event id, until all are there or the server was killed."""
    answered: dict[str, str] = {}
    killed = threading.Event()

    def requests() -> Iterator[pb.IncidentRequest]:
        yield from waiting[:-1]
        if kill_after is not None:
            killed.wait(60)  # the stream must not be over before the server is
        yield waiting[-1]

    with grpc.insecure_channel(server.grpc) as channel:
        grpc.channel_ready_future(channel).result(timeout=30)
        stub = calls.IncidentServiceStub(channel)  # type: ignore[no-untyped-call]
        stream = stub.StreamEvents(requests(), metadata=METADATA, timeout=90)
        try:
            for answer in stream:
                assert answer.status in ("accepted", "duplicate"), answer
                answered[answer.event_id] = answer.status
                if kill_after is not None and len(answered) == kill_after:
                    server.kill9()
                    killed.set()
        except grpc.RpcError:
            pass
        ended: tuple[Any, str] = stream.code(), stream.details()
    expected = grpc.StatusCode.OK if kill_after is None else grpc.StatusCode.UNAVAILABLE
    assert ended[0] is expected, ended
    assert kill_after is None or len(answered) >= kill_after, ended
    return answered


@pytest.mark.requirement("ING-02", "ING-05", "ING-08")
@pytest.mark.timeout(300)
def test_killing_the_server_in_the_middle_of_a_stream_loses_no_answered_event(tmp_path: Path) -> None:
    waiting = events()
    statuses: list[str] = []
    with ServerProcess(tmp_path, CONFIG) as server:
        for kill in range(KILLS):
            answered = sent(server, waiting, kill_after=400 + 150 * kill)
            statuses += answered.values()
            waiting = [event for event in waiting if event.event_id not in answered]
            server.restart()
        answered = sent(server, waiting, kill_after=None)
        assert len(answered) == len(waiting)
        statuses += answered.values()
        assert len(statuses) == EVENTS  # each was answered once, though some were sent twice
        server.until("everything is counted", lambda: _counted(server) == EVENTS, seconds=60)
        incidents = server.get("/api/v1/incidents?limit=100").json["incidents"]
        assert len(incidents) == PROBLEMS
        assert server.metric("worker_queue_depth") == 0
        again = sent(server, events()[:200], kill_after=None)
        assert set(again.values()) == {"duplicate"}
        assert _counted(server) == EVENTS
        assert server.stop() == 0


@pytest.mark.requirement("REL-05")
@pytest.mark.timeout(120)
def test_told_to_stop_with_open_streams_it_answers_and_ends_in_time(tmp_path: Path) -> None:
    with ServerProcess(tmp_path, CONFIG) as server, grpc.insecure_channel(server.grpc) as channel:
        stub = calls.IncidentServiceStub(channel)  # type: ignore[no-untyped-call]
        watch = stub.WatchIncidents(pb.WatchRequest(), metadata=METADATA, timeout=60)
        watch.initial_metadata()
        stream = stub.StreamEvents(iter(events()[:50]), metadata=METADATA, timeout=60)
        assert {answer.status for answer in stream} == {"accepted"}
        server.terminate()
        with pytest.raises(grpc.RpcError) as ended:
            for _ in watch:
                pass
        assert ended.value.code() is grpc.StatusCode.UNAVAILABLE  # type: ignore[attr-defined]
        assert server.wait_ended(12) == 0
        assert "stopped_late" not in server.log


def _counted(server: ServerProcess) -> int:
    incidents = server.get("/api/v1/incidents?limit=100").json["incidents"]
    return sum(incident["event_count"] for incident in incidents)
