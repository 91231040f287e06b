"""The set-ups of docs/queues/ do what they say, tried as written: only names of shared servers get an ending."""

import asyncio
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aio_pika
import pytest
import yaml

from tests import brokers
from tests.brokers import anomaly
from tests.chaos.load import counted, drained
from tests.process import ServerProcess

PAGES = Path(__file__).parents[2] / "docs/queues"
SECONDS = 60.0
REPORT = json.dumps({"message": "Invoices fail", "service": "billing", "id": "r-1"}).encode()


def blocks(page: str) -> list[str]:
    return re.findall(r"```yaml\n(.*?)```", (PAGES / f"{page}.md").read_text(encoding="utf-8"), re.DOTALL)


def test_every_set_up_has_at_most_ten_lines() -> None:
    found = {page.stem: [len(block.splitlines()) for block in blocks(page.stem)] for page in PAGES.glob("*.md")}
    assert set(found) == {"rabbitmq", "nats", "redis", "kafka"}
    assert all(0 < lines <= 10 for each in found.values() for lines in each)
    assert all(found.values())


async def read_by(folder: Path, text: str, env: Mapping[str, str], expected: Mapping[str, int], sending: Any) -> None:
    """Start a server with the set-up, send, and wait until it is counted."""
    (source,) = yaml.safe_load(re.sub(r"\$\{[^}]*\}", "x", text))["sources"]
    server = ServerProcess(folder, text, env)
    with server:
        sign = f'queue_connected{{source="{source}",tenant="default"}} 1'
        await asyncio.to_thread(
            server.until, "it is read", lambda: sign in server.get("/metrics").body.decode(), SECONDS
        )
        await sending()
        await asyncio.to_thread(server.until, "all is counted", lambda: counted(server) == expected, SECONDS)
        drained(server)
        assert server.get("/api/v1/dead_letters").json["total"] == 0


async def opened(kind: str) -> Any:
    broker = brokers.ALL[kind]()
    try:
        await broker.open()
    except brokers.Absent as absent:
        pytest.skip(str(absent))
    return broker


@pytest.mark.requirement("ING-10", "ING-11")
async def test_sentinels_exchange_and_a_queue_of_rabbitmq(tmp_path: Path) -> None:
    rabbit = await opened("rabbitmq")
    exchange, queue = f"sentinel.alerts.{rabbit.name}", f"incidents.critical.{rabbit.name}"
    first, second = blocks("rabbitmq")
    ours = f"ours.{rabbit.name}"  # by default it is the same for all who share this server
    first = first.replace("exchange: sentinel.alerts", f"exchange: {exchange}\n      queue: {ours}")
    connection = await aio_pika.connect(brokers.RABBITMQ)
    channel = await connection.channel()
    await channel.declare_queue(queue, durable=True)
    try:

        async def as_sentinel() -> None:
            found = await channel.get_exchange(exchange)  # it was made: Sentinel may come later
            await found.publish(aio_pika.Message(anomaly(1), message_id="alert-1"), "alert.critical")

        async def as_billing() -> None:
            await channel.default_exchange.publish(aio_pika.Message(REPORT), queue)

        env = {"RABBITMQ_URL": brokers.RABBITMQ}
        await read_by(tmp_path / "first", first, env, {"chat-1": 1}, as_sentinel)
        await read_by(tmp_path / "second", second.replace("incidents.critical", queue), env, {"billing": 1}, as_billing)
    finally:
        for name in (queue, ours):
            await channel.queue_delete(name)
        await channel.exchange_delete(exchange)
        await connection.close()
        await rabbit.close()


@pytest.mark.requirement("ING-10")
async def test_a_stream_and_a_subject_of_nats(tmp_path: Path) -> None:
    jetstream, core = await opened("nats"), await opened("nats-core")
    first, second = blocks("nats")
    first = first.replace("ALERTS", jetstream.name).replace("alerts.>", f"{jetstream.name}.>")
    second = second.replace("pipeline.failed.*", f"{core.name}.*")
    env = {"NATS_URL": brokers.NATS}
    try:
        await read_by(tmp_path / "first", first, env, {"billing": 1}, lambda: jetstream.publish(REPORT))
        await read_by(tmp_path / "second", second, env, {"billing": 1}, lambda: core.publish(REPORT))
    finally:
        await jetstream.close()
        await core.close()


@pytest.mark.requirement("ING-10")
async def test_a_stream_of_redis(tmp_path: Path) -> None:
    redis = await opened("redis")
    (text,) = blocks("redis")
    page = (PAGES / "redis.md").read_text(encoding="utf-8")
    tried = re.search(r"`redis-cli XADD alerts '\*' body '(.*?)'`", page)
    assert tried is not None

    async def as_shown() -> None:
        await redis.redis.xadd(redis.name, {"body": tried[1]})

    try:
        await read_by(
            tmp_path,
            text.replace("stream: alerts", f"stream: {redis.name}"),
            {"REDIS_URL": brokers.REDIS},
            {"billing": 1},
            as_shown,
        )
    finally:
        await redis.close()


@pytest.mark.requirement("ING-10")
async def test_a_topic_of_kafka(tmp_path: Path) -> None:
    kafka = await opened("kafka")
    (text,) = blocks("kafka")
    env = {"KAFKA_URL": f"kafka://{kafka.url}"}
    try:
        await read_by(
            tmp_path, text.replace("anomaly.alerts", kafka.name), env, {"chat-1": 1}, lambda: kafka.publish(anomaly(1))
        )
    finally:
        await kafka.close()
