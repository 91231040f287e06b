"""Queues of others read by a real process: killed in the middle, without its broker, and moved to another one."""

import asyncio
import json
import re
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests import brokers
from tests.brokers import Broker, anomaly
from tests.chaos.cut_wire import CutWire
from tests.chaos.load import config_yaml, counted, drained, readiness
from tests.process import ServerProcess

MESSAGES = 600
SERVICES = 20
SECONDS = 60.0
REDELIVERING = [kind for kind, broker in brokers.ALL.items() if broker.redelivers]


@pytest.fixture
async def broker(request: pytest.FixtureRequest) -> AsyncIterator[Broker]:
    try:
        async with brokers.opened(request.param) as found:
            yield found
    except brokers.Absent as absent:
        pytest.skip(str(absent))


def reading(folder: Path, queue: dict[str, Any], **source: Any) -> ServerProcess:
    """Return a server whose source ``sentinel`` reads the queue; it is not started."""
    source = {"mode": "queue", "queue": queue} | source
    return ServerProcess(folder, config_yaml(sources={"sentinel": source}))


def figure(server: ServerProcess, name: str) -> float | None:
    """Return a figure of the queue of source ``sentinel``."""
    labels = '{source="sentinel",tenant="default"}'
    found = re.search(rf"^{name}{re.escape(labels)} (\S+)$", server.get("/metrics").body.decode(), re.MULTILINE)
    return float(found[1]) if found else None


def connected(server: ServerProcess) -> None:
    server.until("the queue is read", lambda: figure(server, "queue_connected") == 1, SECONDS)


async def nothing_left(broker: Broker, server: ServerProcess) -> None:
    """Return once the broker holds nothing and everything is triaged."""
    async with asyncio.timeout(SECONDS):
        while await broker.left():
            assert server.running, server.tail
    await asyncio.to_thread(drained, server)


@pytest.mark.requirement("ING-10", "REL-01", "REL-03")
@pytest.mark.timeout(240)
@pytest.mark.parametrize("broker", REDELIVERING, indirect=True)
async def test_killed_in_the_middle_nothing_is_lost_and_nothing_counts_twice(broker: Broker, tmp_path: Path) -> None:
    server = reading(tmp_path, broker.queue | {"prefetch": 7})
    for number in range(MESSAGES):
        body = anomaly(number, service_name=f"chat-{number % SERVICES}")
        await broker.publish(body, message_id=f"alert-{number}")
    expected = Counter({f"chat-{each}": MESSAGES // SERVICES for each in range(SERVICES)})
    try:
        server.start(wait=False)
        await asyncio.to_thread(server.wait_ready, SECONDS)
        await asyncio.to_thread(server.until, "it has begun", lambda: figure(server, "queue_messages_total"), SECONDS)
        server.kill9()
        assert await broker.left() > 0, "it was through before it was killed"
        server.start(wait=False)
        await asyncio.to_thread(server.wait_ready, SECONDS)
        await nothing_left(broker, server)
        await asyncio.to_thread(
            server.until, f"all is counted: {counted(server)}", lambda: counted(server) == expected, SECONDS
        )
        assert server.get("/api/v1/dead_letters").json["total"] == 0
        assert await asyncio.to_thread(server.stop) == 0
        assert await broker.left() == 0  # what it had not acknowledged would be back now
    finally:
        server.kill9()


def wire_to(url: str) -> tuple[CutWire, str]:
    """Return a wire to the server of ``url``, and the address at this end of it once it is there."""
    parts = urlsplit(url)
    wire = CutWire(parts.hostname or "", parts.port or 0)
    wire.mend()
    account = parts.netloc.rpartition("@")[0]
    return wire, parts._replace(netloc=f"{account}{'@' if account else ''}127.0.0.1:{wire.port}").geturl()


@pytest.mark.requirement("REL-02", "REL-05")
@pytest.mark.parametrize("broker", ["redis"], indirect=True)
async def test_a_broker_that_is_away_stops_nothing_and_is_shown(broker: Broker, tmp_path: Path) -> None:
    """The wire to the broker is cut at the start, there later, and cut again."""
    wire, url = wire_to(brokers.REDIS)
    wire.cut()
    server = reading(tmp_path, broker.queue | {"url": url})
    with wire, server:
        wire.cut()
        await asyncio.to_thread(server.until, "it is told", lambda: readiness(server) == (200, ["queues"]), SECONDS)
        assert figure(server, "queue_connected") == 0
        assert figure(server, "queue_last_success_timestamp_seconds") is None
        wire.mend()
        await broker.publish(anomaly(1))
        await asyncio.to_thread(connected, server)
        await nothing_left(broker, server)
        assert readiness(server) == (200, [])
        assert (figure(server, "queue_last_success_timestamp_seconds") or 0) > 1_700_000_000
        wire.cut()
        await asyncio.to_thread(server.until, "it is told", lambda: readiness(server) == (200, ["queues"]), SECONDS)
        await broker.publish(anomaly(2))
        wire.mend()
        await nothing_left(broker, server)
        assert await asyncio.to_thread(counted, server) == Counter({"chat-1": 1, "chat-2": 1})
        told = [json.loads(line) for line in server.log.splitlines() if '"queue_away"' in line]
        assert told
        assert all("Redis at 127.0.0.1:" in each["reason"] for each in told)


@pytest.mark.requirement("ING-09", "REL-04")
@pytest.mark.parametrize("broker", ["redis"], indirect=True)
async def test_while_no_dead_letter_can_be_kept_only_what_is_good_is_acknowledged(
    broker: Broker, tmp_path: Path, postgres_url: str
) -> None:
    wire, database = wire_to(postgres_url)
    server = reading(tmp_path, broker.queue)
    server.env["DATABASE_URL"] = database
    with wire, server:
        await asyncio.to_thread(connected, server)
        wire.cut()
        await asyncio.to_thread(
            server.until, "it is called degraded", lambda: "database" in readiness(server)[1], SECONDS
        )
        await broker.publish(b"no JSON")
        await broker.publish(anomaly(1))
        await asyncio.to_thread(
            server.until, "one is done with", lambda: figure(server, "queue_messages_total") == 1, SECONDS
        )
        assert await broker.left() == 1
        assert figure(server, "queue_messages_held") == 1
        wire.mend()
        await nothing_left(broker, server)
        await asyncio.to_thread(
            server.until, "it is counted", lambda: counted(server) == Counter({"chat-1": 1}), SECONDS
        )
        (letter,) = server.get("/api/v1/dead_letters").json["dead_letters"]
        assert letter["body"] == "no JSON"


@pytest.mark.requirement("ING-10")
@pytest.mark.parametrize("broker", ["redis"], indirect=True)
async def test_a_source_that_gets_a_queue_is_read_at_once_and_one_that_loses_it_no_more(
    broker: Broker, tmp_path: Path
) -> None:
    await broker.publish(anomaly(1))
    with ServerProcess(tmp_path, config_yaml()) as server:
        made = server.post("/api/v1/sources", {"name": "sentinel", "mode": "queue", "queue": broker.queue})
        assert made.status == 201, made.body
        await asyncio.to_thread(connected, server)
        await nothing_left(broker, server)
        assert server.ask("DELETE", "/api/v1/sources/sentinel").status == 204
        await asyncio.to_thread(
            server.until, "it is not read", lambda: figure(server, "queue_connected") is None, SECONDS
        )
        await broker.publish(anomaly(2))
        assert await broker.left() == 1
        assert await asyncio.to_thread(counted, server) == Counter({"chat-1": 1})


@pytest.mark.parametrize("broker", ["nats-core"], indirect=True)
async def test_a_request_is_answered_once_it_is_durable_and_stopping_loses_nothing(
    broker: brokers.CoreNats, tmp_path: Path
) -> None:
    with reading(tmp_path, broker.queue) as server:
        await asyncio.to_thread(connected, server)
        assert await broker.asked(anomaly(0)) == b"+OK"
        for number in range(1, 301):
            await broker.publish(anomaly(number, service_name="chat"))
        assert await asyncio.to_thread(server.stop) == 0
        await asyncio.to_thread(server.start)
        await asyncio.to_thread(drained, server)
        assert await asyncio.to_thread(counted, server) == Counter({"chat-0": 1, "chat": 300})
