"""Kafka: a consumer group; an offset is committed only when every message before it is done with."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka import Message as Record

from llm_incident_manager.domain.events.queue import QueueKind, QueueSettings
from llm_incident_manager.domain.events.stable import stable_event_id
from llm_incident_manager.errors import Unavailable
from llm_incident_manager.sources.queues.addresses import Broker, away, broker_in
from llm_incident_manager.sources.queues.headers import headers_of
from llm_incident_manager.sources.queues.spec import CONNECT_SECONDS, RECEIVE_SECONDS, Message, Place, QueueSpec

_PORTS = {"kafka": 9092, "kafkas": 9092}
_SESSION_SECONDS = 6
"""After so long without a sign of life a node's partitions are given to the others."""
_QUEUED_KBYTES = 16_384
Partition = tuple[str, int]


class KafkaConnection:
    """One member of a group. The library's calls wait, so each runs in a thread, one at a time."""

    redelivers = True

    def __init__(self, settings: QueueSettings, place: Place, broker: Broker, brokers: str) -> None:
        self._settings = settings
        self._broker = broker
        self._lost: str | None = None
        self._open: dict[Partition, dict[int, bool]] = {}
        self._kept: list[Record] = []
        self._consumer = Consumer(self._configuration(settings, place, broker, brokers))

    def _configuration(self, settings: QueueSettings, place: Place, broker: Broker, brokers: str) -> dict[str, Any]:
        login = {
            "sasl.mechanism": settings.sasl, "sasl.username": broker.user, "sasl.password": broker.password
        } if broker.user else {}  # fmt: skip
        protocol = f"{'SASL_' if broker.user else ''}{'SSL' if broker.secure else 'PLAINTEXT'}"
        return {
            "bootstrap.servers": brokers,
            "client.id": place.member,
            "group.id": place.group,
            "security.protocol": protocol,
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "auto.offset.reset": "latest" if settings.from_now else "earliest",
            "allow.auto.create.topics": False,
            "session.timeout.ms": _SESSION_SECONDS * 1000,
            "socket.connection.setup.timeout.ms": int(CONNECT_SECONDS * 1000),
            "queued.max.messages.kbytes": _QUEUED_KBYTES,
            "error_cb": self._failed,
            "log_level": 0,
            **login,
        }

    async def open(self, place: Place) -> None:
        """See that the brokers answer, that all of them may be reached, and that the topics are there; subscribe."""
        found = await asyncio.to_thread(self._consumer.list_topics, timeout=CONNECT_SECONDS)
        for each in found.brokers.values():
            await place.addresses(each.host, each.port)
        for topic in self._settings.names:
            known = found.topics.get(topic)
            if known is None or known.error is not None:
                raise Unavailable(f"Kafka has no topic {topic}; it is made by whoever owns it", code="queue_away")
        self._consumer.subscribe(list(self._settings.names), on_revoke=self._revoked, on_lost=self._revoked)

    async def receive(self) -> Sequence[Message]:
        records, self._kept = self._kept, []
        records = records or await self._consumed(RECEIVE_SECONDS)
        for record in records:
            partition, offset = _place_of(record)
            self._open.setdefault(partition, {})[offset] = False
        return [self._message(record) for record in records]

    async def _consumed(self, seconds: float) -> list[Record]:
        try:
            found = await asyncio.to_thread(self._consumer.consume, self._settings.prefetch, seconds)
        except (KafkaException, RuntimeError) as failure:
            raise self._away(failure) from None
        if self._lost is not None:
            raise self._away(ConnectionError(self._lost))
        for record in found:
            error = record.error()
            if error is not None and error.code() != KafkaError._PARTITION_EOF:
                raise self._away(KafkaException(error))
        return [record for record in found if record.error() is None]

    async def done(self, messages: Sequence[Message]) -> None:
        touched = set()
        for message in messages:
            partition, offset = message.handle
            if offset in self._open.get(partition, {}):
                self._open[partition][offset] = True
                touched.add(partition)
        commits = [commit for partition in touched if (commit := self._finished(partition)) is not None]
        if not commits:
            return
        try:
            await asyncio.to_thread(partial(self._consumer.commit, offsets=commits, asynchronous=False))
        except (KafkaException, RuntimeError) as failure:
            raise self._away(failure) from None

    def _finished(self, partition: Partition) -> TopicPartition | None:
        """Return the offset behind the last message before which all are done with."""
        taken = self._open[partition]
        last = None
        for offset in sorted(taken):
            if not taken[offset]:
                break
            last = offset
            del taken[offset]
        return None if last is None else TopicPartition(*partition, last + 1)

    async def hold(self, messages: Sequence[Message]) -> None:
        """Show that this member lives, without taking more: else its partitions are given to others."""
        try:
            assigned = self._consumer.assignment()
            self._consumer.pause(assigned)
            self._kept += await self._consumed(0.0)
            self._consumer.resume([each for each in self._consumer.assignment() if each in assigned])
        except (KafkaException, RuntimeError) as failure:
            raise self._away(failure) from None

    async def leave(self) -> None:
        """Nothing is fetched unless it is asked for."""

    async def waiting(self) -> int | None:
        """Return the lag of the partitions that this node reads."""
        return await asyncio.to_thread(self._lag)

    def _lag(self) -> int | None:
        total = 0
        try:
            for place in self._consumer.committed(self._consumer.assignment(), timeout=RECEIVE_SECONDS):
                low, high = self._consumer.get_watermark_offsets(place, timeout=RECEIVE_SECONDS)
                total += max(0, high - max(place.offset, low))
        except (KafkaException, RuntimeError):
            return None
        return total

    async def close(self) -> None:
        try:
            async with asyncio.timeout(2 * RECEIVE_SECONDS):
                await asyncio.to_thread(self._consumer.close)
        except (KafkaException, RuntimeError, TimeoutError):
            return

    def _revoked(self, _: Consumer, partitions: Sequence[TopicPartition]) -> None:
        for each in partitions:
            self._open.pop((each.topic, each.partition), None)

    def _failed(self, error: KafkaError) -> None:
        if error.code() in (KafkaError._ALL_BROKERS_DOWN, KafkaError._AUTHENTICATION) or error.fatal():
            self._lost = error.str()

    def _message(self, record: Record) -> Message:
        (topic, partition), offset = _place_of(record)
        body = record.value() or b""
        kind, milliseconds = record.timestamp()
        told = str(milliseconds) if kind else ""
        return Message(
            body=body,
            id=stable_event_id(topic, str(partition), str(offset), told, body.decode("latin-1")),
            at=datetime.fromtimestamp(milliseconds / 1000, UTC) if told and milliseconds > 0 else None,
            headers=headers_of(_pairs(record)),
            path=topic,
            handle=((topic, partition), offset),
        )

    def _away(self, failure: BaseException) -> Unavailable:
        return away("Kafka", self._broker, failure)


def _place_of(record: Record) -> tuple[Partition, int]:
    topic, partition, offset = record.topic(), record.partition(), record.offset()
    assert topic is not None
    assert partition is not None
    assert offset is not None
    return (topic, partition), offset


def _pairs(record: Record) -> list[tuple[str, Any]]:
    found = record.headers() or []
    return list(found.items()) if isinstance(found, dict) else list(found)


async def open_kafka(settings: QueueSettings, place: Place) -> KafkaConnection:
    """Return a member of the group; raises Unavailable or Forbidden."""
    scheme, _, rest = settings.url.partition("://")
    credentials, at, hosts = rest.partition("/")[0].rpartition("@")
    each = [broker_in(f"{scheme}://{credentials}{at}{host}", _PORTS) for host in hosts.split(",") if host]
    for broker in each:
        await place.addresses(broker.host, broker.port)
    written = ",".join(f"[{one.host}]:{one.port}" if ":" in one.host else f"{one.host}:{one.port}" for one in each)
    try:
        connection = KafkaConnection(settings, place, each[0], written)
    except (KafkaException, ValueError) as wrong:
        raise away("Kafka", each[0], wrong) from None
    try:
        await connection.open(place)
    except (KafkaException, RuntimeError) as failure:
        await connection.close()
        raise away("Kafka", each[0], failure) from None
    except BaseException:
        await connection.close()
        raise
    return connection


SPEC = QueueSpec(kind=QueueKind.KAFKA, title="Kafka", open=open_kafka)
