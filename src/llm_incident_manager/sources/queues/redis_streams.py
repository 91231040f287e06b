"""Redis Streams: a consumer group of our own; what a dead node took and never acknowledged is claimed from it."""

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import msgspec
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError

from llm_incident_manager.domain.events.queue import QueueKind, QueueSettings
from llm_incident_manager.domain.events.stable import stable_event_id
from llm_incident_manager.errors import Unavailable
from llm_incident_manager.sources.queues.addresses import Broker, away, broker_in, reachable
from llm_incident_manager.sources.queues.spec import CONNECT_SECONDS, RECEIVE_SECONDS, Message, Place, QueueSpec

_PORTS = {"redis": 6379, "rediss": 6379}
_FAILURES = (RedisError, OSError, TimeoutError)
_FORGET_MEMBER_SECONDS = 86_400
"""A member that took nothing for so long, and holds nothing, is a node that is gone."""
Entry = tuple[bytes, Any]


class RedisConnection:
    """Reads streams as a member of a group: first what it took in an earlier life, then what is new."""

    redelivers = True

    def __init__(
        self, settings: QueueSettings, place: Place, broker: Broker, redis: Redis, *, seconds: Callable[[], float]
    ) -> None:
        self._settings = settings
        self._group = place.group
        self._member = place.member
        self._broker = broker
        self._redis: Any = redis  # its types know no answer from another
        self._seconds = seconds
        self._own_are_read = False
        self._claimed_at = float("-inf")

    async def open(self) -> None:
        """See that the streams and the group are there."""
        start = "$" if self._settings.from_now else "0"
        for stream in self._settings.names:
            try:
                await self._redis.xgroup_create(stream, self._group, id=start, mkstream=True)
            except ResponseError as refused:
                if "BUSYGROUP" not in str(refused):
                    raise
                await self._forget_members(stream)

    async def _forget_members(self, stream: str) -> None:
        for member in await self._redis.xinfo_consumers(stream, self._group):
            name = member["name"].decode(errors="replace")
            long_gone = member["idle"] > _FORGET_MEMBER_SECONDS * 1000 and not member["pending"]
            if long_gone and name != self._member and name.startswith("lim-"):
                await self._redis.xgroup_delconsumer(stream, self._group, name)

    async def receive(self) -> Sequence[Message]:
        try:
            if not self._own_are_read:
                own = await self._read("0", block=None)
                if own:
                    return own
                self._own_are_read = True
            now = self._seconds()
            if now - self._claimed_at >= self._settings.abandoned_seconds / 2:
                self._claimed_at = now
                abandoned = await self._claimed()
                if abandoned:
                    self._claimed_at = float("-inf")  # there may be more of them
                    return abandoned
            return await self._read(">", block=int(RECEIVE_SECONDS * 1000))
        except _FAILURES as failure:
            raise self._away(failure) from None

    async def done(self, messages: Sequence[Message]) -> None:
        try:
            for stream, ids in _by_stream(messages).items():
                await self._redis.xack(stream, self._group, *ids)
        except _FAILURES as failure:
            raise self._away(failure) from None

    async def hold(self, messages: Sequence[Message]) -> None:
        """Claim them again, which lets their time as abandoned begin anew."""
        try:
            for stream, ids in _by_stream(messages).items():
                await self._redis.xclaim(stream, self._group, self._member, 0, ids, justid=True)
        except _FAILURES as failure:
            raise self._away(failure) from None

    async def leave(self) -> None:
        """Nothing is fetched unless it is asked for."""

    async def waiting(self) -> int | None:
        """Return what nobody was given yet and what nobody acknowledged; Redis knows the first from 7.0 on."""
        total = 0
        try:
            for stream in self._settings.names:
                for group in await self._redis.xinfo_groups(stream):
                    if group["name"] == self._group.encode():
                        if group.get("lag") is None:
                            return None
                        total += int(group["lag"]) + int(group["pending"])
        except _FAILURES as failure:
            raise self._away(failure) from None
        return total

    async def close(self) -> None:
        try:
            await self._redis.aclose()
        except _FAILURES:
            return

    async def _read(self, after: str, *, block: int | None) -> list[Message]:
        streams: dict[Any, Any] = dict.fromkeys(self._settings.names, after)
        while True:
            found = await self._redis.xreadgroup(
                self._group, self._member, streams, count=self._settings.prefetch, block=block
            )
            read = [(stream, entry) for stream, entries in found or () for entry in entries]
            messages = await self._messages(read)
            if messages or after == ">" or not read:
                return messages

    async def _claimed(self) -> list[Message]:
        found: list[tuple[Any, Entry]] = []
        for stream in self._settings.names:
            answer = await self._redis.xautoclaim(
                stream,
                self._group,
                self._member,
                min_idle_time=self._settings.abandoned_seconds * 1000,
                count=self._settings.prefetch,
            )
            found += [(stream, entry) for entry in answer[1]]
        return await self._messages(found)

    async def _messages(self, read: Sequence[tuple[Any, Entry]]) -> list[Message]:
        """Return the entries as messages; one that was deleted before anybody took it is let go."""
        for stream, (entry_id, fields) in read:
            if not fields:
                await self._redis.xack(stream, self._group, entry_id)
        return [self._message(stream, entry_id, fields) for stream, (entry_id, fields) in read if fields]

    def _message(self, stream: Any, entry_id: bytes, fields: Any) -> Message:
        name = stream.decode(errors="replace") if isinstance(stream, bytes) else str(stream)
        number = entry_id.decode()
        body = _body(dict(fields), self._settings.field)
        return Message(
            body=body,
            id=stable_event_id(name, number, body.decode("latin-1")),
            at=_moment(number),
            path=name,
            handle=(name, entry_id),
        )

    def _away(self, failure: BaseException) -> Unavailable:
        return away("Redis", self._broker, failure)


def _by_stream(messages: Sequence[Message]) -> dict[str, list[bytes]]:
    found: dict[str, list[bytes]] = {}
    for message in messages:
        stream, entry_id = message.handle
        found.setdefault(stream, []).append(entry_id)
    return found


def _body(fields: dict[bytes, bytes], field: str) -> bytes:
    """Return the member that is named, the only one that there is, or all as a JSON object of texts."""
    if field:
        return fields.get(field.encode(), b"")
    if len(fields) == 1:
        return next(iter(fields.values()))
    return msgspec.json.encode(
        {name.decode(errors="replace"): value.decode(errors="replace") for name, value in fields.items()}
    )


def _moment(entry_id: str) -> datetime | None:
    """Return when the entry was added, which its id begins with unless its sender made the id up."""
    try:
        return datetime.fromtimestamp(int(entry_id.partition("-")[0]) / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return None


async def open_redis(settings: QueueSettings, place: Place) -> RedisConnection:
    """Return a connection whose group is there; raises Unavailable or Forbidden."""
    broker = broker_in(settings.url, _PORTS)
    database = urlsplit(settings.url).path.strip("/")
    failure: BaseException = ConnectionError("no address")
    for url in await reachable(settings.url, broker, place):
        redis = Redis(
            host=urlsplit(url).hostname or broker.host,
            port=broker.port,
            db=int(database) if database.isdecimal() else 0,
            username=broker.user or None,
            password=broker.password or None,
            ssl=broker.secure,
            socket_connect_timeout=CONNECT_SECONDS,
            socket_timeout=CONNECT_SECONDS + RECEIVE_SECONDS,
            retry=Retry(NoBackoff(), 0),
            client_name=place.member,
        )
        connection = RedisConnection(settings, place, broker, redis, seconds=time.monotonic)
        try:
            await connection.open()
        except _FAILURES as refused:
            failure = refused
            await connection.close()
        else:
            return connection
    raise away("Redis", broker, failure)


SPEC = QueueSpec(kind=QueueKind.REDIS, title="Redis Streams", open=open_redis)
