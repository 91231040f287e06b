"""A receiver of webhooks that remembers what it got and answers as told; strict about HTTP/1.1 (it parses with h11)."""

import asyncio
import json
import ssl
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

import h11


@dataclass(frozen=True)
class Received:
    """One request; header names are lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    connection: int
    server_name: str | None
    at: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def json(self) -> Any:
        """The body, which must be JSON."""
        return json.loads(self.body)


@dataclass(frozen=True)
class Reply:
    """What to answer; ``send`` says how much of it, ``hang`` that nothing more comes, with the connection left open."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b"ok"
    delay_seconds: float = 0.0
    hang: bool = False
    send: str = "all"


class WebhookReceiver:
    """``async with WebhookReceiver() as receiver``: ``receiver.url``, ``receiver.requests``, ``receiver.answer(503)``.

    Answers are used up in the order they were given; after them every request is answered 200 ``ok``.
    """

    def __init__(self, *, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> None:
        self.requests: list[Received] = []
        self.accepted: list[Received] = []
        self.connections = 0
        self._host = host
        self._tls = tls
        self._replies: deque[Reply] = deque()
        self._otherwise = Reply()
        self._arrived = asyncio.Condition()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server_names: dict[Any, str] = {}

    @property
    def port(self) -> int:
        return int(self._server.sockets[0].getsockname()[1])

    @property
    def url(self) -> str:
        """The URL to post to, without a path."""
        return f"{'https' if self._tls else 'http'}://{self._host}:{self.port}"

    def answer(
        self, status: int, headers: Mapping[str, str] | None = None, body: bytes | str = b"", times: int | None = 1
    ) -> None:
        """Answer the next ``times`` requests so; ``None``: every request from now on that has no other answer."""
        text = body.encode() if isinstance(body, str) else body
        self._plan(Reply(status=status, headers=headers or {}, body=text), times)

    def hang(self, times: int | None = 1, *, after: str = "nothing") -> None:
        """Take the request and say ``nothing``, or only the ``headers`` of a 200, and keep the connection open."""
        self._plan(Reply(hang=True, send="headers" if after == "headers" else "nothing", body=b"x" * 10), times)

    def drop(self, times: int | None = 1, *, after: str = "nothing", status: int = 200) -> None:
        """Close the connection after ``nothing``, ``half_headers`` or ``headers`` (the body is then cut)."""
        self._plan(Reply(status=status, send=after, body=b"x" * 10), times)

    def delay(self, seconds: float, times: int | None = 1) -> None:
        """Answer 200 after so many seconds."""
        self._plan(Reply(delay_seconds=seconds), times)

    def redirect(self, to: str, status: int = 302, times: int | None = 1) -> None:
        """Answer with a redirect."""
        self.answer(status, {"Location": to}, times=times)

    async def wait_for(self, count: int, seconds: float = 5.0) -> list[Received]:
        """Return the requests once there are ``count`` of them; raises TimeoutError if they do not come."""
        async with asyncio.timeout(seconds), self._arrived:
            await self._arrived.wait_for(lambda: len(self.requests) >= count)
        return self.requests

    def check(self, request: Received) -> Reply | None:
        """Return what a stricter receiver has against the request, or ``None``."""
        return None

    def _plan(self, reply: Reply, times: int | None) -> None:
        if times is None:
            self._otherwise = reply
        else:
            self._replies.extend([reply] * times)

    async def __aenter__(self) -> Self:
        if self._tls is not None:
            # Which name the client asked for, to see that a pinned connection still speaks of the name.
            self._tls.sni_callback = lambda sock, name, _: self._server_names.__setitem__(id(sock), name)
        self._server = await asyncio.start_server(self._accept, self._host, 0, ssl=self._tls)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        try:
            await self._converse(reader, writer, self.connections)
        except (ConnectionError, asyncio.CancelledError, h11.RemoteProtocolError):
            pass
        finally:
            self._tasks.discard(task)
            writer.transport.abort()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        http = h11.Connection(h11.SERVER)
        server_name = self._server_names.get(id(writer.get_extra_info("ssl_object")))
        while (request := await self._request(http, reader, number, server_name)) is not None:
            async with self._arrived:
                self.requests.append(request)
                self._arrived.notify_all()
            planned = self._replies.popleft() if self._replies else self._otherwise
            answers = planned.status < 300 and planned.send == "all" and not planned.hang
            reply = (self.check(request) if answers else None) or planned
            if answers and reply.status < 300:
                self.accepted.append(request)
            if reply.delay_seconds:
                await asyncio.sleep(reply.delay_seconds)
            if not await self._respond(http, writer, reply):
                return
            http.start_next_cycle()

    async def _request(
        self, http: h11.Connection, reader: asyncio.StreamReader, number: int, server_name: str | None
    ) -> Received | None:
        head: h11.Request | None = None
        body = bytearray()
        while True:
            event = http.next_event()
            if event is h11.NEED_DATA:
                http.receive_data(await reader.read(65536))
            elif isinstance(event, h11.Request):
                head = event
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage) and head is not None:
                headers = {name.decode(): value.decode() for name, value in head.headers}
                return Received(head.method.decode(), head.target.decode(), headers, bytes(body), number, server_name)
            else:
                return None

    async def _respond(self, http: h11.Connection, writer: asyncio.StreamWriter, reply: Reply) -> bool:
        headers = {"Content-Length": str(len(reply.body)), **reply.headers}
        head = http.send(h11.Response(status_code=reply.status, headers=list(headers.items())))
        rest = http.send(h11.Data(data=reply.body)) or b""
        end = http.send(h11.EndOfMessage()) or b""
        whole = {
            "all": (head or b"") + rest + end,
            "headers": head or b"",
            "half_headers": (head or b"")[:20],
            "nothing": b"",
        }[reply.send]
        writer.write(whole)
        await writer.drain()
        if reply.hang:
            await asyncio.Event().wait()
        if reply.send != "all":
            # Let the bytes leave before the connection is cut.
            writer.close()
            await writer.wait_closed()
            return False
        return http.our_state is not h11.MUST_CLOSE
