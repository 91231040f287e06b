"""RabbitMQ: a queue of somebody else, or one of ours bound to an exchange of theirs (as ``sentinel.alerts``)."""

import asyncio
from collections import deque
from collections.abc import Sequence
from datetime import UTC
from typing import Any

import aio_pika
import aiormq
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractIncomingMessage
from aio_pika.exceptions import CONNECTION_EXCEPTIONS, ChannelNotFoundEntity

from llm_incident_manager.domain.events.queue import QueueKind, QueueSettings
from llm_incident_manager.domain.events.stable import stable_event_id
from llm_incident_manager.errors import Unavailable
from llm_incident_manager.sources.queues.addresses import Broker, away, broker_in, reachable
from llm_incident_manager.sources.queues.headers import headers_of
from llm_incident_manager.sources.queues.spec import CONNECT_SECONDS, RECEIVE_SECONDS, Message, Place, QueueSpec

_PORTS = {"amqp": 5672, "amqps": 5671}
_FAILURES = (*CONNECTION_EXCEPTIONS, TimeoutError)


class RabbitConnection:
    """One channel with a consumer; the broker hands out at most ``prefetch`` messages that are not acknowledged."""

    redelivers = True

    def __init__(self, settings: QueueSettings, place: Place, broker: Broker) -> None:
        self._settings = settings
        self._place = place
        self._broker = broker
        self._arrived: deque[AbstractIncomingMessage] = deque()
        self._some = asyncio.Event()
        self._lost: str | None = None
        self._connection: AbstractConnection
        self._channel: AbstractChannel
        self._name = ""

    async def open(self, url: str) -> None:
        """Connect, see that the queue is there and bound, and begin to consume."""
        properties: dict[str, Any] = {"connection_name": f"llm-incident-manager {self._place.member}"}
        self._connection = await aio_pika.connect(url, timeout=CONNECT_SECONDS, client_properties=properties)
        self._connection.close_callbacks.add(self._closed)
        self._name = await self._queue()
        self._channel = await self._connection.channel(publisher_confirms=False)
        self._channel.close_callbacks.add(self._closed)
        await self._channel.set_qos(prefetch_count=self._settings.prefetch)
        underlay = await self._channel.get_underlay_channel()
        underlay.on_consumer_cancel_callbacks.add(self._cancelled)
        queue = await self._channel.get_queue(self._name, ensure=False)
        await queue.consume(self._keep)

    async def _queue(self) -> str:
        """Return the name of the queue; one of ours is made durable, and bound to the exchange."""
        settings = self._settings
        name = settings.names[0] if settings.names else self._place.group
        if not settings.exchange:
            if not await self._is_there(name):
                raise Unavailable(f"RabbitMQ has no queue {name}; it is made by whoever owns it", code="queue_away")
            return name
        if not await self._is_there(settings.exchange, exchange=True):
            # As its owner declares it (topic, durable): whoever comes first, what is published is kept.
            await self._once(
                lambda channel: channel.declare_exchange(settings.exchange, aio_pika.ExchangeType.TOPIC, durable=True)
            )
        if not await self._is_there(name):
            await self._once(lambda channel: channel.declare_queue(name, durable=True))

        async def bind(channel: AbstractChannel) -> None:
            queue = await channel.get_queue(name, ensure=False)
            for key in settings.keys:
                await queue.bind(settings.exchange, key)

        await self._once(bind)
        return name

    async def _is_there(self, name: str, *, exchange: bool = False) -> bool:
        async def look(channel: AbstractChannel) -> None:
            await (channel.get_exchange(name) if exchange else channel.get_queue(name))

        try:
            await self._once(look)
        except ChannelNotFoundEntity:
            return False
        return True

    async def _once(self, ask: Any) -> Any:
        """Ask on a channel of its own, since a refusal closes the channel."""
        channel = await self._connection.channel(publisher_confirms=False)
        try:
            return await ask(channel)
        finally:
            await channel.close()

    async def receive(self) -> Sequence[Message]:
        if not self._arrived and self._lost is None:
            self._some.clear()
            try:
                async with asyncio.timeout(RECEIVE_SECONDS):
                    await self._some.wait()
            except TimeoutError:
                return ()
        if self._lost is not None:
            raise self._away(ConnectionError(self._lost))
        taken, self._arrived = self._arrived, deque()
        return [self._message(each) for each in taken]

    async def done(self, messages: Sequence[Message]) -> None:
        try:
            for message in messages:
                await message.handle.ack()
        except _FAILURES as failure:
            raise self._away(failure) from None

    async def hold(self, messages: Sequence[Message]) -> None:
        """Nothing is to be said: what is not acknowledged stays with this channel."""
        if self._lost is not None:
            raise self._away(ConnectionError(self._lost))

    async def leave(self) -> None:
        """Nothing needs to be done: what has arrived goes back when the channel closes."""

    async def waiting(self) -> int | None:
        async def look(channel: AbstractChannel) -> int:
            queue = await channel.declare_queue(self._name, passive=True)
            return queue.declaration_result.message_count or 0

        try:
            return int(await self._once(look))
        except _FAILURES as failure:
            raise self._away(failure) from None

    async def close(self) -> None:
        try:
            async with asyncio.timeout(RECEIVE_SECONDS):
                await self._connection.close()
        except _FAILURES:
            return

    async def _keep(self, message: AbstractIncomingMessage) -> None:
        self._arrived.append(message)
        self._some.set()

    def _closed(self, _: object, failure: BaseException | None) -> None:
        self._end(str(failure or "closed"))

    def _cancelled(self, _: aiormq.spec.Basic.Cancel) -> None:
        self._end(f"the queue {self._name} was removed")

    def _end(self, why: str) -> None:
        self._lost = self._lost or why
        self._some.set()

    def _away(self, failure: BaseException) -> Unavailable:
        return away("RabbitMQ", self._broker, failure)

    def _message(self, message: AbstractIncomingMessage) -> Message:
        said = {name: value for name, value in (message.headers or {}).items() if name.lower() != "content-type"}
        about = {"content-type": message.content_type, "content-encoding": message.content_encoding}
        return Message(
            body=message.body,
            # Whoever sends gives the id; the body beside it tells two apart that were given the same by mistake.
            id=stable_event_id(self._name, message.message_id, message.body.decode("latin-1"))
            if message.message_id
            else "",
            at=message.timestamp.replace(tzinfo=UTC) if message.timestamp is not None else None,
            headers=headers_of([*about.items(), *said.items()]),
            path=message.routing_key or "",
            handle=message,
        )


async def open_rabbitmq(settings: QueueSettings, place: Place) -> RabbitConnection:
    """Return a connection that consumes; raises Unavailable or Forbidden."""
    broker = broker_in(settings.url, _PORTS)
    failure: BaseException = ConnectionError("no address")
    for url in await reachable(settings.url, broker, place):
        connection = RabbitConnection(settings, place, broker)
        try:
            await connection.open(url)
        except (*_FAILURES, Unavailable) as refused:
            failure = refused
            await _let_go(connection)
            if isinstance(refused, Unavailable):
                break
        else:
            return connection
    raise failure if isinstance(failure, Unavailable) else away("RabbitMQ", broker, failure)


async def _let_go(connection: RabbitConnection) -> None:
    if hasattr(connection, "_connection"):
        await connection.close()


SPEC = QueueSpec(kind=QueueKind.RABBITMQ, title="RabbitMQ", open=open_rabbitmq)
