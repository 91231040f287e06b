"""A queue of somebody else that a source's events are read from (ING-10)."""

from enum import StrEnum

import msgspec


class QueueKind(StrEnum):
    """What kind of broker the queue is in; it follows from the scheme of its address."""

    RABBITMQ = "rabbitmq"
    KAFKA = "kafka"
    NATS = "nats"
    REDIS = "redis"


SCHEMES = {
    "amqp": QueueKind.RABBITMQ, "amqps": QueueKind.RABBITMQ,
    "kafka": QueueKind.KAFKA, "kafkas": QueueKind.KAFKA,
    "nats": QueueKind.NATS, "tls": QueueKind.NATS,
    "redis": QueueKind.REDIS, "rediss": QueueKind.REDIS,
}  # fmt: skip
"""The schemes of addresses; the second of each kind is the one with TLS."""


class QueueSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where a source's messages are, and how they are read.

    ``names`` are what is read: a RabbitMQ queue (empty where ``exchange`` has one of ours bound to it), Kafka topics,
    Redis streams, or the NATS stream (empty: ``keys`` are subjects of core NATS). ``keys`` are routing keys, or
    subjects.
    ``group`` shares the messages among all who name it; empty: one of this source's own. ``prefetch`` bounds the
    messages that are here and not acknowledged. ``field`` is the member of a Redis entry that holds the message.
    After ``abandoned_seconds`` what somebody took and did not acknowledge is given to another. A new group begins
    with what is there already, unless ``from_now``.
    """

    kind: QueueKind
    url: str
    names: tuple[str, ...] = ()
    exchange: str = ""
    keys: tuple[str, ...] = ()
    group: str = ""
    field: str = ""
    sasl: str = ""
    prefetch: int = 100
    abandoned_seconds: int = 60
    from_now: bool = False

    def __repr__(self) -> str:
        """Return what may stand in a log: never the address, which may hold a password."""
        return f"QueueSettings(kind={self.kind.value!r}, names={self.names!r}, exchange={self.exchange!r})"
