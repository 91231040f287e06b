"""One WebSocket connection: its messages read within bounds, heartbeats, and an end that says why."""

import asyncio
from collections import deque
from typing import Any, NamedTuple

import structlog
from starlette.types import Receive, Send

from llm_incident_manager.api.identity import Credentials
from llm_incident_manager.api.websocket.answers import HEARTBEAT
from llm_incident_manager.api.websocket.port import WebSocketPort
from llm_incident_manager.engine.caller import Caller
from llm_incident_manager.errors import IncidentManagerError, Unavailable

HEARTBEAT_SECONDS = 30.0
IDLE_SECONDS = 60.0
CLOSE_SECONDS = 5.0
ANSWER_SECONDS = 1.0
"""A heartbeat is answered, but not more often than this: two sides that echo must not keep each other busy."""
GOING_AWAY, POLICY, RESTART, LATER = 1001, 1008, 1012, 1013
_log = structlog.get_logger("api.websocket")


class Ending(NamedTuple):
    """Why the connection is closed (RFC 6455 §7.4); a reason has at most 123 bytes."""

    code: int
    reason: str


class Session:
    """What both doors share. A door says what to do with messages in :meth:`take` and with a call in :meth:`woken`."""

    closes_when_idle = True

    def __init__(self, port: WebSocketPort, credentials: Credentials, receive: Receive, send: Send) -> None:
        self.port = port
        self.credentials = credentials
        self._receive = receive
        self._send = send
        self._waiting: deque[str | bytes] = deque()
        self._bytes = 0
        self._room = asyncio.Event()
        self._room.set()
        self._awake = asyncio.Event()
        self._gone = False
        self._beat_due = False
        self._ending: Ending | None = None
        self.heard_at = self.beat_at = port.clock.monotonic()
        self._answered_at = self.beat_at - ANSWER_SECONDS

    async def take(self, messages: list[str | bytes], caller: Caller) -> None:
        """Answer the messages that have arrived."""
        raise NotImplementedError

    async def woken(self) -> None:
        """Do what :meth:`wake` was called for."""

    def left(self) -> None:
        """Let go of what the door holds; the connection is over."""

    def wake(self) -> None:
        """Have a look as soon as possible."""
        self._awake.set()

    @property
    def goes_on(self) -> bool:
        """Whether nobody wants it to end."""
        return self._ending is None and not self._gone

    def end(self, code: int, reason: str) -> None:
        """Close it when what has arrived is answered; the first reason counts."""
        if self._ending is None:
            self._ending = Ending(code, reason)
        self.wake()

    def tick(self) -> None:
        """Look at the clock and at the key: called every second for each connection."""
        now = self.port.clock.monotonic()
        try:
            self.caller()
        except Unavailable:
            pass
        except IncidentManagerError as refused:
            self._waiting.clear()
            self.end(POLICY, refused.message)
            return
        if self.closes_when_idle and now - self.heard_at >= IDLE_SECONDS and not self._waiting:
            self.end(GOING_AWAY, f"nothing came for {IDLE_SECONDS:.0f} s; send a heartbeat every 30 s")
        elif now - self.beat_at >= HEARTBEAT_SECONDS:
            self._beat_due = True
            self.wake()

    def caller(self) -> Caller:
        """Return whoever is at the other end, as the keys are now; raises what :meth:`Credentials.caller` does."""
        return self.credentials.caller(self.port.identify)

    async def run(self) -> None:
        """Serve the accepted connection until it ends."""
        reading = asyncio.ensure_future(self._read())
        try:
            await self._serve()
        finally:
            self.left()
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    async def say(self, text: str) -> None:
        """Send one message; waits while the other side does not read. What was said to one who is gone is lost."""
        if self._gone:
            return
        try:
            await self._send({"type": "websocket.send", "text": text})
        except (OSError, RuntimeError):
            # Gone; uvicorn calls it a RuntimeError where it closed the connection itself, for a fault in the protocol.
            self._gone = True
            self.wake()

    async def beat(self) -> None:
        """Answer a heartbeat."""
        now = self.port.clock.monotonic()
        if now - self._answered_at >= ANSWER_SECONDS:
            self._answered_at = now
            await self._beat()

    async def _beat(self) -> None:
        self._beat_due = False
        self.beat_at = self.port.clock.monotonic()
        await self.say(HEARTBEAT)

    async def _serve(self) -> None:
        while True:
            await self._awake.wait()
            self._awake.clear()
            while self._waiting:
                group = self._group()
                try:
                    caller = self.caller()
                except IncidentManagerError as refused:
                    self._waiting.clear()
                    self.end(LATER if isinstance(refused, Unavailable) else POLICY, refused.message)
                    break
                await self.take(group, caller)
            if self._gone:
                return
            await self.woken()
            if self._beat_due:
                await self._beat()
            if self._ending is not None and not self._waiting:
                await self._close(self._ending)
                return

    def _group(self) -> list[str | bytes]:
        """Return what has arrived, up to a group."""
        limits = self.port.limits
        group: list[str | bytes] = []
        size = 0
        while self._waiting and len(group) < limits.group_messages and size < limits.group_bytes:
            message = self._waiting.popleft()
            size += len(message)
            group.append(message)
        self._bytes -= size
        if len(self._waiting) < limits.waiting_messages and self._bytes < limits.waiting_bytes:
            self._room.set()
        return group

    async def _read(self) -> None:
        """Read as long as there is room: whoever sends faster than is stored finds the connection full."""
        limits = self.port.limits
        while self._ending is None:
            await self._room.wait()
            message: Any = await self._receive()
            if message["type"] == "websocket.disconnect":
                self._gone = True
                self.wake()
                return
            self.heard_at = self.port.clock.monotonic()
            text = message.get("text")
            content: str | bytes = text if text is not None else message.get("bytes") or b""
            self._waiting.append(content)
            self._bytes += len(content)
            if len(self._waiting) >= limits.waiting_messages or self._bytes >= limits.waiting_bytes:
                self._room.clear()
            self.wake()

    async def _close(self, ending: Ending) -> None:
        reason = ending.reason.encode()[:120].decode(errors="ignore")
        _log.info("websocket_closed", code=ending.code, reason=reason)
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._send({"type": "websocket.close", "code": ending.code, "reason": reason})
        except (TimeoutError, OSError, RuntimeError):
            return  # it does not read, or it is gone: the protocol ends what hangs
