"""NATS: a durable consumer of JetStream, or subjects of core NATS, which delivers once and is never acknowledged."""

import asyncio
import re
from collections import deque
from collections.abc import Sequence
from typing import Any

import nats
import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error, SlowConsumerError
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy
from nats.js.client import JetStreamContext

from llm_incident_manager.domain.events.queue import QueueKind, QueueSettings
from llm_incident_manager.domain.events.stable import stable_event_id
from llm_incident_manager.errors import Unavailable
from llm_incident_manager.sources.queues.addresses import Broker, away, broker_in, reachable
from llm_incident_manager.sources.queues.headers import headers_of
from llm_incident_manager.sources.queues.spec import CONNECT_SECONDS, RECEIVE_SECONDS, Message, Place, QueueSpec

_PORTS = {"nats": 4222, "tls": 4222}
_FAILURES = (Error, OSError, TimeoutError)
_UNACKNOWLEDGED = 10_000
"""How many messages all nodes of a group together may hold; each holds its ``prefetch``."""
_KEPT = 1000
"""How many messages of core NATS are kept here; more wait in the client, which drops what is over 128 MiB."""
log = structlog.get_logger("queues")


class JetStreamConnection:
    """Pulls from a durable consumer, which all nodes of the group share."""

    redelivers = True

    def __init__(self, settings: QueueSettings, broker: Broker, client: Client) -> None:
        self._settings = settings
        self._broker = broker
        self._client = client
        self._pull: JetStreamContext.PullSubscription

    async def open(self, durable: str) -> None:
        """See that the consumer is there."""
        settings = self._settings
        config = ConsumerConfig(
            ack_policy=AckPolicy.EXPLICIT,
            ack_wait=settings.abandoned_seconds,
            deliver_policy=DeliverPolicy.NEW if settings.from_now else DeliverPolicy.ALL,
            filter_subjects=list(settings.keys) if len(settings.keys) > 1 else None,
            max_ack_pending=_UNACKNOWLEDGED,
            max_deliver=-1,
        )
        self._pull = await self._client.jetstream().pull_subscribe(
            settings.keys[0] if len(settings.keys) == 1 else "",
            durable=durable,
            stream=settings.names[0],
            config=config,
        )

    async def receive(self) -> Sequence[Message]:
        try:
            found = await self._pull.fetch(self._settings.prefetch, timeout=RECEIVE_SECONDS)
        except TimeoutError:
            if not self._client.is_connected:
                raise self._away(ConnectionError("the connection was lost")) from None
            return ()
        except _FAILURES as failure:
            raise self._away(failure) from None
        return [self._message(each) for each in found]

    async def done(self, messages: Sequence[Message]) -> None:
        try:
            for message in messages:
                await message.handle.ack()
            await self._client.flush(timeout=int(CONNECT_SECONDS))
        except _FAILURES as failure:
            raise self._away(failure) from None

    async def hold(self, messages: Sequence[Message]) -> None:
        try:
            for message in messages:
                await message.handle.in_progress()
        except _FAILURES as failure:
            raise self._away(failure) from None

    async def leave(self) -> None:
        """Nothing is fetched unless it is asked for."""

    async def waiting(self) -> int | None:
        try:
            info = await self._pull.consumer_info()
        except _FAILURES as failure:
            raise self._away(failure) from None
        return (info.num_pending or 0) + (info.num_ack_pending or 0)

    async def close(self) -> None:
        await _let_go(self._client)

    def _message(self, message: Msg) -> Message:
        about = message.metadata
        said = message.headers or {}
        place = (about.stream, str(about.sequence.stream), about.timestamp.isoformat())
        own = said.get("Nats-Msg-Id", "")
        return Message(
            body=message.data,
            id=stable_event_id(*((about.stream, own) if own else place), message.data.decode("latin-1")),
            at=about.timestamp,
            headers=headers_of(said.items()),
            path=message.subject,
            handle=message,
        )

    def _away(self, failure: BaseException) -> Unavailable:
        return away("NATS", self._broker, failure)


class CoreConnection:
    """Subscribes; the server forgets a message once it is sent, so what has arrived is kept over a lost connection."""

    redelivers = False

    def __init__(self, settings: QueueSettings, broker: Broker, client: Client) -> None:
        self._settings = settings
        self._broker = broker
        self._client = client
        self._arrived: deque[Msg] = deque()
        self._some = asyncio.Event()
        self._room = asyncio.Event()
        self._subscriptions: list[Subscription] = []

    async def open(self, group: str) -> None:
        """Subscribe as one of the group, of which each message goes to one."""
        for subject in self._settings.keys:
            self._subscriptions.append(await self._client.subscribe(subject, queue=group, cb=self._keep))
        await self._client.flush(timeout=int(CONNECT_SECONDS))

    async def receive(self) -> Sequence[Message]:
        if not self._arrived:
            if not self._client.is_connected:
                raise self._away(ConnectionError("the connection was lost"))
            self._some.clear()
            try:
                async with asyncio.timeout(RECEIVE_SECONDS):
                    await self._some.wait()
            except TimeoutError:
                return ()
        number = min(len(self._arrived), self._settings.prefetch)
        taken = [self._message(self._arrived.popleft()) for _ in range(number)]
        self._room.set()
        return taken

    async def done(self, messages: Sequence[Message]) -> None:
        """Answer those that were sent as requests: ``+OK`` says that the message is durable here."""
        for message in messages:
            if message.handle.reply:
                try:
                    await message.handle.respond(b"+OK")
                except _FAILURES:
                    continue  # whoever asked has not heard it, and may ask again

    async def hold(self, messages: Sequence[Message]) -> None:
        """Nothing is to be said: core NATS has forgotten them."""

    async def leave(self) -> None:
        try:
            for subscription in self._subscriptions:
                await subscription.drain()  # type: ignore[no-untyped-call]
        except _FAILURES as failure:
            raise self._away(failure) from None

    async def waiting(self) -> int | None:
        return len(self._arrived) + sum(each.pending_msgs for each in self._subscriptions)

    async def close(self) -> None:
        await _let_go(self._client)

    async def _keep(self, message: Msg) -> None:
        while len(self._arrived) >= _KEPT:
            self._room.clear()
            await self._room.wait()
        self._arrived.append(message)
        self._some.set()

    def _message(self, message: Msg) -> Message:
        said = message.headers or {}
        own = said.get("Nats-Msg-Id", "")
        return Message(
            body=message.data,
            id=stable_event_id(message.subject, own, message.data.decode("latin-1")) if own else "",
            headers=headers_of(said.items()),
            path=message.subject,
            handle=message,
        )

    def _away(self, failure: BaseException) -> Unavailable:
        return away("NATS", self._broker, failure)


async def open_nats(settings: QueueSettings, place: Place) -> JetStreamConnection | CoreConnection:
    """Return a connection that reads; raises Unavailable or Forbidden."""
    broker = broker_in(settings.url, _PORTS)
    failure: BaseException = ConnectionError("no address")
    for url in await reachable(settings.url, broker, place):
        client: Client | None = None
        try:
            client = await _connected(url, broker, place)
            return await _opened(settings, broker, client, settings.group or _plain(place.group))
        except _FAILURES as refused:
            failure = refused
            if client is not None:
                await _let_go(client)
    raise away("NATS", broker, failure)


async def _opened(
    settings: QueueSettings, broker: Broker, client: Client, group: str
) -> JetStreamConnection | CoreConnection:
    if settings.names:
        durable = JetStreamConnection(settings, broker, client)
        await durable.open(group)
        return durable
    core = CoreConnection(settings, broker, client)
    await core.open(group)
    return core


async def _connected(url: str, broker: Broker, place: Place) -> Client:
    who: dict[str, Any] = {}
    if broker.password:
        who = {"user": broker.user, "password": broker.password}
    elif broker.user:
        who = {"token": broker.user}
    async with asyncio.timeout(CONNECT_SECONDS):
        return await nats.connect(
            f"{url.partition('://')[0]}://{url.partition('://')[2].rpartition('@')[2]}",
            name=place.member,
            allow_reconnect=False,
            max_reconnect_attempts=1,
            reconnect_time_wait=0,
            connect_timeout=int(CONNECT_SECONDS),
            error_cb=_told,
            **who,
        )


async def _told(failure: Exception) -> None:
    """Say what was dropped; everything else that concerns the reader is raised where it reads."""
    if isinstance(failure, SlowConsumerError):
        log.error("queue_message_dropped", subject=failure.subject, reason="more came than could be taken")


async def _let_go(client: Client) -> None:
    try:
        async with asyncio.timeout(RECEIVE_SECONDS):
            await client.close()
    except _FAILURES:
        return


def _plain(group: str) -> str:
    """Return a name that NATS takes: no dots, and another one's is another."""
    return f"{re.sub('[^A-Za-z0-9_-]', '-', group)}-{stable_event_id(group)[:6]}"


SPEC = QueueSpec(kind=QueueKind.NATS, title="NATS", open=open_nats)
