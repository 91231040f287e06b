"""Events over WebSocket: batched, spooled while cut off, sent again until acknowledged, and counted once."""

import asyncio
import contextlib
import json
import logging
import random
import ssl
import time
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from llm_incident_manager.client.address import DEFAULT_URL, is_loopback, websocket_url
from llm_incident_manager.client.errors import ClientError
from llm_incident_manager.client.spool import Entry, Spool

BATCH_BYTES = 524_288
LARGEST_BATCH = 1000
"""Events; the server takes no more in one message."""
LARGEST_EVENT = 1_000_000
LONGEST_ID = 255
HEARTBEAT = '{"type":"heartbeat"}'
HEARTBEAT_SECONDS = 30.0
SILENCE_SECONDS = 60.0
FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 0.5, 30.0
"""Between two attempts; a random part of it is waited, so that many clients do not come back at once."""
_log = logging.getLogger("llm_incident_manager.client")


class NotAnEvent(ClientError, ValueError):
    """It cannot be written as JSON, or is too large to be sent."""


class Rejection(NamedTuple):
    """An event that the server will not take, however often it is sent; ``errors`` are (field, message)."""

    event_id: str
    code: str
    message: str
    errors: tuple[tuple[str, str], ...]


class EventStream:
    """Sends events to ``/ws/events`` from a running event loop; use it as an async context manager.

    :meth:`send` keeps the event in the spool and returns at once. In the background events go out in batches of
    ``batch_size``, or after ``batch_seconds``, and leave the spool when the server has acknowledged them: it has made
    them durable then. Without a connection ``attempts`` tries are made, with growing random pauses; then ``cut_off`` is
    true, one more is made every ``retry_seconds``, and events are spooled until the spool is full.

    Args:
        url: the server, ``http(s)://host:port`` or ``ws(s)://host:port``.
        key: an API key with the scope ``ingest``.
        spool: a folder of this client alone; events that an earlier process left there are sent first.
        source: the ``source`` of events that name none.
        tenant: where a platform key sends to.
        on_rejected: is told of each event that the server refuses for good; it is out of the spool then.
        tls: for ``wss://``, instead of the system's certificates.
    """

    def __init__(
        self,
        url: str = DEFAULT_URL,
        key: str | None = None,
        *,
        spool: Path | str,
        source: str | None = None,
        tenant: str | None = None,
        batch_size: int = 100,
        batch_seconds: float = 5.0,
        attempts: int = 10,
        retry_seconds: float = 60.0,
        max_spool_bytes: int = 67_108_864,
        fsync: bool = False,
        most_under_way: int = 1000,
        on_rejected: Callable[[Rejection], None] | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.url = websocket_url(url, "/ws/events")
        self.cut_off = False
        self.connected = False
        self.last_error: str | None = None
        self.acknowledged = 0
        self.rejected = 0
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._headers |= {"X-Tenant": tenant} if tenant else {}
        self._source = source
        self._size = max(1, min(batch_size, LARGEST_BATCH))
        self._seconds = batch_seconds
        self._attempts = attempts
        self._retry = retry_seconds
        self._most_under_way = most_under_way
        self._on_rejected = on_rejected
        self._tls = tls
        self._spool = Spool(spool, max_bytes=max_spool_bytes, fsync=fsync)
        self._flushing = 0
        self._held_until = 0.0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wake = asyncio.Event()
        self._moved = asyncio.Event()
        self._hurry = asyncio.Event()
        self._failed = 0
        self._one_by_one = 0
        self._task: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> int:
        """How many events are not acknowledged yet."""
        return self._spool.waiting

    def send(self, event: Mapping[str, Any]) -> str:
        """Keep an event and return its id; from then on it survives a kill -9 of this process. Safe in any thread.

        ``event_id``, ``timestamp`` and ``source`` are filled in where they are missing: the id before the event is
        first kept, so that however often it is sent it counts once.

        Raises:
            NotAnEvent: it cannot be written as JSON, or has more than 1,000,000 bytes.
            SpoolFull: as much waits as may wait; nothing of the event was kept.
        """
        event_id, body = self._written(event)
        if self._spool.append(event_id, body) and self._loop is not None:
            self._loop.call_soon_threadsafe(self._wake.set)
        return event_id

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._task = self._loop.create_task(self._run(), name="event-stream")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.close()

    async def flush(self, timeout_seconds: float = 10.0) -> bool:
        """Send all at once; returns whether everything was acknowledged in time."""
        self._flushing += 1
        self._wake.set()
        self._hurry.set()
        try:
            async with asyncio.timeout(timeout_seconds):
                while self._spool.waiting:
                    self._moved.clear()
                    await self._moved.wait()
            return True
        except TimeoutError:
            return False
        finally:
            self._flushing -= 1

    async def close(self, timeout_seconds: float = 10.0) -> bool:
        """Flush and end; returns whether everything was acknowledged. What was not stays in the spool for next time."""
        if self._task is None:
            self._spool.close()
            return self._spool.waiting == 0
        complete = await self.flush(timeout_seconds)
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self._task = None
        self._loop = None
        self._spool.close()
        return complete

    # -- the connection

    async def _run(self) -> None:
        while True:
            try:
                async with self._connection() as connection:
                    await self._speak(connection)
            except Exception as trouble:
                # A named border: whatever is wrong with a server or the way to it, events are kept and tried again.
                self.last_error = _told(trouble)
            finally:
                self.connected = False
                self._spool.put_back()
            self._failed = max(self._failed + 1, self._attempts if _hopeless(self.last_error) else 0)
            if self._failed >= self._attempts and not self.cut_off:
                self.cut_off = True
                _log.error("cut off from %s: %s; events are spooled", _without_query(self.url), self.last_error)
            await self._rest(self._pause(self._failed))

    async def _rest(self, seconds: float) -> None:
        """Wait before the next attempt; whoever flushes wants it at once."""
        self._hurry.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._hurry.wait()

    def _pause(self, failed: int) -> float:
        if failed >= self._attempts:
            return self._retry * random.uniform(0.5, 1.0)
        longest: float = min(LONGEST_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2.0 ** min(failed - 1, 16))
        return longest * random.uniform(0.1, 1.0)

    def _connection(self) -> connect:
        given: dict[str, Any] = {"ssl": self._tls} if self._tls is not None else {}
        if is_loopback(self.url):
            given["proxy"] = None
        return connect(
            self.url,
            additional_headers=self._headers,
            user_agent_header="llm-incident-manager-client",
            open_timeout=10,
            close_timeout=2,
            max_size=1_048_576,
            **given,
        )

    async def _speak(self, connection: ClientConnection) -> None:
        reading = asyncio.ensure_future(self._read(connection))
        woken = asyncio.ensure_future(self._wake.wait())
        try:
            await connection.send(HEARTBEAT)  # its answer is the proof that the server lets us in
            beat_at = time.monotonic()
            while not reading.done():
                batch = self._batch()
                if batch:
                    await connection.send(_message(batch))
                    beat_at = time.monotonic()
                    continue
                now = time.monotonic()
                if now - beat_at >= HEARTBEAT_SECONDS:
                    await connection.send(HEARTBEAT)
                    beat_at = now
                wait = max(0.0, min(self._next_batch_in(), beat_at + HEARTBEAT_SECONDS - now))
                await asyncio.wait({woken, reading}, timeout=wait, return_when=asyncio.FIRST_COMPLETED)
                if woken.done():
                    self._wake.clear()
                    woken = asyncio.ensure_future(self._wake.wait())
            reading.result()  # raises why it ended
        finally:
            reading.cancel()
            woken.cancel()
            await asyncio.gather(reading, woken, return_exceptions=True)

    def _batch(self) -> list[Entry]:
        """Return what is to be sent now: a full batch, or what has waited long enough."""
        spool = self._spool
        size, most = (1, 1) if self._one_by_one else (self._size, self._most_under_way)
        due = self._flushing or spool.unsent >= size or spool.oldest_age >= self._seconds
        room = most - spool.under_way
        if not due or room <= 0 or time.monotonic() < self._held_until:
            return []
        return spool.take(min(size, room), BATCH_BYTES)

    def _next_batch_in(self) -> float:
        held = self._held_until - time.monotonic()
        if held > 0:
            return held
        waits = self._spool.unsent > 0 and self._spool.under_way < (1 if self._one_by_one else self._most_under_way)
        return max(0.01, self._seconds - self._spool.oldest_age) if waits else HEARTBEAT_SECONDS

    async def _read(self, connection: ClientConnection) -> None:
        while True:
            async with asyncio.timeout(SILENCE_SECONDS):
                answer = json.loads(await connection.recv())
            self._failed, self.cut_off, self.connected, self.last_error = 0, False, True, None
            if answer["type"] == "ack":
                if self._spool.done(answer["event_id"]):
                    self.acknowledged += 1
                    self._one_by_one = max(0, self._one_by_one - 1)
            elif answer["type"] == "error":
                self._refused(answer)
            self._moved.set()
            self._wake.set()

    def _refused(self, answer: Mapping[str, Any]) -> None:
        event_id = answer.get("event_id")
        if "retry_after_seconds" in answer:
            self._held_until = time.monotonic() + float(answer["retry_after_seconds"])
            self._spool.put_back(event_id)
        elif answer["code"] == "internal_error":
            self._held_until = time.monotonic() + FIRST_WAIT_SECONDS
            self._spool.put_back(event_id)
        elif event_id is None:
            self._alone(answer)
        else:
            self._reject(event_id, answer)

    def _alone(self, answer: Mapping[str, Any]) -> None:
        """A whole message was refused: its events go one by one, so that only the one at fault is lost."""
        event_id = self._spool.alone_under_way()
        if event_id is None:
            self._one_by_one = self._size
            raise _Again(f"a batch was refused: {answer['message']}")
        self._reject(event_id, answer)

    def _reject(self, event_id: str, answer: Mapping[str, Any]) -> None:
        if not self._spool.done(event_id):
            return
        self.rejected += 1
        errors = tuple((str(each["field"]), str(each["message"])) for each in answer.get("errors", ()))
        _log.warning("event %s was rejected: %s", event_id, answer["message"])
        if self._on_rejected is None:
            return
        try:
            self._on_rejected(Rejection(event_id, str(answer["code"]), str(answer["message"]), errors))
        except Exception:
            _log.exception("on_rejected failed for event %s", event_id)

    def _written(self, event: Mapping[str, Any]) -> tuple[str, bytes]:
        document = dict(event)
        if not document.get("event_id"):
            document["event_id"] = uuid.uuid4().hex
        document.setdefault("timestamp", datetime.now(UTC).isoformat())
        if self._source is not None:
            document.setdefault("source", self._source)
        event_id = document["event_id"]
        if not isinstance(event_id, str) or len(event_id) > LONGEST_ID:
            raise NotAnEvent(f"event_id is {event_id!r:.80}; it must be text of at most {LONGEST_ID} characters")
        try:
            body = json.dumps(document, separators=(",", ":"), allow_nan=False).encode()
        except (TypeError, ValueError, RecursionError) as error:
            raise NotAnEvent(f"event {event_id} cannot be written as JSON: {error}") from error
        if len(body) > LARGEST_EVENT:
            raise NotAnEvent(f"event {event_id} has {len(body)} bytes; send at most {LARGEST_EVENT}")
        return event_id, body


class _Again(Exception):
    """The connection is to be made anew."""


def _message(batch: list[Entry]) -> str:
    """Return one event as it is, several as §6.3's BatchedAlerts."""
    if len(batch) == 1:
        return batch[0].body.decode()
    events = ",".join(entry.body.decode() for entry in batch)
    head = json.dumps({"batch_id": uuid.uuid4().hex, "timestamp": datetime.now(UTC).isoformat(), "count": len(batch)})
    return f'{head[:-1]},"events":[{events}]}}'


def _told(trouble: Exception) -> str:
    """Return the trouble as a sentence; an address may hold a key, and is not repeated."""
    if isinstance(trouble, InvalidStatus):
        return f"the server answered {trouble.response.status_code} to the handshake"
    if isinstance(trouble, ConnectionClosed):
        closed = trouble.rcvd
        return f"closed with {closed.code} {closed.reason}".strip() if closed is not None else "the connection was cut"
    return str(trouble) or type(trouble).__name__


def _without_query(url: str) -> str:
    return url.partition("?")[0]


def _hopeless(told: str | None) -> bool:
    """Whether trying again soon can change nothing: the key is wrong, or nothing of ours is there."""
    return any(f"answered {status}" in (told or "") for status in (401, 403, 404))
