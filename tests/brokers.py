"""Real brokers for tests: found by URL, or on this machine; else the reason why there is none.

``LIM_TEST_RABBITMQ_URL``, ``LIM_TEST_NATS_URL`` and ``LIM_TEST_REDIS_URL`` name others than this machine's own. For
Kafka the protocol's mock inside confluent-kafka stands in: it keeps logs, groups and offsets, and no data on disk.
"""

import json
import os
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import aio_pika
import confluent_kafka
import nats
import redis.asyncio
import redis.exceptions
from nats.js.api import StreamConfig

RABBITMQ = os.environ.get("LIM_TEST_RABBITMQ_URL", "amqp://guest:guest@127.0.0.1:5672/")
NATS = os.environ.get("LIM_TEST_NATS_URL", "nats://127.0.0.1:4222")
REDIS = os.environ.get("LIM_TEST_REDIS_URL", "redis://127.0.0.1:6379/9")


def anomaly(number: int, **more: Any) -> bytes:
    """Return what Sentinel's binary publishes (sister-projects.md, S1)."""
    return json.dumps(
        {
            "alert_id": f"alert-{number}", "timestamp": "2026-11-02T08:59:58.123456Z", "severity": "critical",
            "anomaly_type": "latency_spike", "service_name": f"chat-{number}", "model": "gpt-4",
            "detection_method": "z_score", "confidence": 0.89,
            "details": {"metric": "latency_ms", "value": 5400.0, "baseline": 800.0, "additional": {}},
            "context": {"region": "us-west-2", "sample_count": 1000, "additional": {}},
            "root_cause": "Latency is far above its baseline", "remediation": [], "related_alerts": [],
        }
        | more
    ).encode()  # fmt: skip


class Absent(Exception):
    """There is no such server here; the message says which was looked for."""


class Broker(ABC):
    """One queue on a real server. ``redelivers`` and ``has_ids`` say what this kind of broker can do."""

    kind: str
    redelivers = True
    has_ids = True

    def __init__(self) -> None:
        self.name = f"lim-test-{uuid4().hex[:10]}"

    @abstractmethod
    async def open(self) -> None:
        """Connect and make the queue; raises Absent."""

    @property
    @abstractmethod
    def queue(self) -> dict[str, Any]:
        """The ``queue`` of a source's settings that reads it."""

    @abstractmethod
    async def publish(self, body: bytes, *, message_id: str = "", headers: Mapping[str, str] | None = None) -> None:
        """Return when the broker has it."""

    @abstractmethod
    async def left(self) -> int:
        """How many messages nobody has acknowledged."""

    @abstractmethod
    async def close(self) -> None:
        """Remove what was made."""


class Rabbit(Broker):
    """An exchange of somebody else, to which a queue of ours is bound."""

    kind = "rabbitmq"

    async def open(self) -> None:
        try:
            self._connection = await aio_pika.connect(RABBITMQ, timeout=5)
        except (OSError, aio_pika.exceptions.AMQPError) as failure:
            raise Absent(f"no RabbitMQ at {RABBITMQ}: {failure}") from None
        self._channel = await self._connection.channel()
        self._exchange = await self._channel.declare_exchange(self.name, "topic", durable=True)
        # The tests ask it how much is left: it is there before the reader, as in any second life of one.
        queue = await self._channel.declare_queue(f"{self.name}.ours", durable=True)
        await queue.bind(self._exchange, "#")

    @property
    def queue(self) -> dict[str, Any]:
        return {"url": RABBITMQ, "exchange": self.name, "queue": f"{self.name}.ours"}

    async def publish(self, body: bytes, *, message_id: str = "", headers: Mapping[str, str] | None = None) -> None:
        mode = aio_pika.DeliveryMode.PERSISTENT
        message = aio_pika.Message(body, message_id=message_id or None, headers=dict(headers or {}), delivery_mode=mode)
        await self._exchange.publish(message, "alert.critical")

    async def left(self) -> int:
        channel = await self._connection.channel()
        found = await channel.declare_queue(f"{self.name}.ours", passive=True)
        await channel.close()
        return found.declaration_result.message_count or 0

    async def close(self) -> None:
        await self._channel.queue_delete(f"{self.name}.ours")
        await self._channel.exchange_delete(self.name)
        await self._connection.close()


class JetStream(Broker):
    """A stream on disk."""

    kind = "nats"

    async def open(self) -> None:
        self._client = await _nats()
        self._js = self._client.jetstream()
        await self._js.add_stream(StreamConfig(name=self.name, subjects=[f"{self.name}.>"]))

    @property
    def queue(self) -> dict[str, Any]:
        return {"url": NATS, "stream": self.name, "group": "ours", "abandoned_after_seconds": 1}

    async def publish(self, body: bytes, *, message_id: str = "", headers: Mapping[str, str] | None = None) -> None:
        said = dict(headers or {}) | ({"Nats-Msg-Id": message_id} if message_id else {})
        await self._js.publish(f"{self.name}.critical", body, headers=said or None)

    async def left(self) -> int:
        try:
            info = await self._js.consumer_info(self.name, "ours")
        except nats.js.errors.NotFoundError:
            return (await self._js.stream_info(self.name)).state.messages
        return (info.num_pending or 0) + (info.num_ack_pending or 0)

    async def close(self) -> None:
        await self._js.delete_stream(self.name)
        await self._client.close()


class CoreNats(Broker):
    """A subject: delivered once to whoever listens."""

    kind = "nats-core"
    redelivers = False
    has_ids = False

    async def open(self) -> None:
        self._client = await _nats()

    @property
    def queue(self) -> dict[str, Any]:
        return {"url": NATS, "subject": f"{self.name}.>"}

    async def publish(self, body: bytes, *, message_id: str = "", headers: Mapping[str, str] | None = None) -> None:
        said = dict(headers or {}) | ({"Nats-Msg-Id": message_id} if message_id else {})
        await self._client.publish(f"{self.name}.critical", body, headers=said or None)
        await self._client.flush()

    async def asked(self, body: bytes) -> bytes:
        """Publish as a request and return the answer."""
        return bytes((await self._client.request(f"{self.name}.critical", body, timeout=10)).data)

    async def left(self) -> int:
        return 0

    async def close(self) -> None:
        await self._client.close()


class RedisStream(Broker):
    """A stream, whose group is ours."""

    kind = "redis"

    async def open(self) -> None:
        self.redis: Any = redis.asyncio.Redis.from_url(REDIS)
        try:
            await self.redis.ping()
        except redis.exceptions.RedisError as failure:
            raise Absent(f"no Redis at {REDIS}: {failure}") from None

    @property
    def queue(self) -> dict[str, Any]:
        return {"url": REDIS, "stream": self.name, "group": "ours", "field": "body", "abandoned_after_seconds": 1}

    async def publish(self, body: bytes, *, message_id: str = "", headers: Mapping[str, str] | None = None) -> None:
        await self.redis.xadd(self.name, {"body": body, "kind": "anomaly"})

    async def left(self) -> int:
        groups = await self.redis.xinfo_groups(self.name)
        ours = [group for group in groups if group["name"] == b"ours"]
        return sum(group["pending"] + (group["lag"] or 0) for group in ours) if ours else 1

    async def close(self) -> None:
        await self.redis.delete(self.name)
        await self.redis.aclose()


class KafkaTopic(Broker):
    """A topic of the mock cluster, which lives as long as the producer that holds it."""

    kind = "kafka"

    async def open(self) -> None:
        self._producer = confluent_kafka.Producer({"test.mock.num.brokers": 1, "bootstrap.servers": "", "log_level": 0})
        self.url = ",".join(
            f"{each.host}:{each.port}" for each in self._producer.list_topics(timeout=10).brokers.values()
        )
        self._number = 0
        self._producer.list_topics(self.name, timeout=10)  # which makes it

    @property
    def queue(self) -> dict[str, Any]:
        return {"url": f"kafka://{self.url}", "topic": self.name, "group": "ours"}

    async def publish(self, body: bytes, *, message_id: str = "", headers: Mapping[str, str] | None = None) -> None:
        self._producer.produce(self.name, body, headers=dict(headers or {}))
        assert self._producer.flush(10) == 0
        self._number += 1

    async def left(self) -> int:
        reader = confluent_kafka.Consumer({"bootstrap.servers": self.url, "group.id": "ours", "log_level": 0})
        total = 0
        topic = reader.list_topics(self.name, timeout=10).topics[self.name]
        for number in topic.partitions:
            place = confluent_kafka.TopicPartition(self.name, number)
            (committed,) = reader.committed([place], timeout=10)
            low, high = reader.get_watermark_offsets(place, timeout=10)
            total += high - max(committed.offset, low)
        reader.close()
        return total

    async def close(self) -> None:
        self._producer.flush(1)


ALL: Mapping[str, type[Broker]] = {each.kind: each for each in (Rabbit, JetStream, CoreNats, RedisStream, KafkaTopic)}


@asynccontextmanager
async def opened(kind: str) -> AsyncIterator[Broker]:
    """Yield a queue of this kind; raises Absent, with what was looked for."""
    broker = ALL[kind]()
    await broker.open()
    try:
        yield broker
    finally:
        await broker.close()


async def _nats() -> Any:
    try:
        return await nats.connect(NATS, allow_reconnect=False, connect_timeout=2)
    except (OSError, TimeoutError, nats.errors.Error) as failure:
        raise Absent(f"no NATS at {NATS}: {failure}") from None
