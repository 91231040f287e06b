"""① ``POST /api/v1/events`` answered before ASGI, where the request is plain; everything else goes the ordinary way.

A request is plain when it arrives in one piece, alone on its connection, as HTTP/1.1 with a length, unpacked, with a
key in one of the two usual headers, and its event is new. Whatever is not plain, or is refused before the event is
looked at, is handed to the ordinary path as if nobody had looked: one place says what is wrong with a request.
"""

import asyncio
import re
from typing import Any

import msgspec
import structlog
import uvicorn
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from llm_incident_manager.api.identity import LONGEST_KEY
from llm_incident_manager.api.rest.events import PATH, Refusal, refusal_of, single_answer
from llm_incident_manager.api.rest.port import RestPort
from llm_incident_manager.api.rest.requests import count_request, count_requests
from llm_incident_manager.domain.incidents.changes import RequestFacts
from llm_incident_manager.engine.accept import Receipt
from llm_incident_manager.engine.caller import Caller
from llm_incident_manager.errors import IncidentManagerError, Unavailable

PROVEN_UVICORN = "0.54"
"""The version (major and minor) whose internals the shared suite was run over."""
LONGEST_HEAD = 4096
"""Bytes; a longer head is not remembered."""
_BLANK_LINE = b"\r\n\r\n"
_CONTENT_LENGTH = re.compile(rb"\r\ncontent-length: ?([0-9]{1,9})\r\n", re.IGNORECASE)
_MOST_DIGITS = 9
_PATH = PATH.encode()
_JSON = frozenset({b"application/json", b"application/json; charset=utf-8"})
_NOT_PLAIN = frozenset(
    {
        b"connection",
        b"content-encoding",
        b"expect",
        b"forwarded",
        b"transfer-encoding",
        b"upgrade",
        b"x-forwarded-for",
        b"x-forwarded-proto",
        b"x-session-id",
        b"x-tenant",
    }
)
"""Headers that change what a request means, or who sent it."""
_ACCEPTED = STATUS_LINE[202]
_log = structlog.get_logger("api.events")


def proven_here() -> bool:
    """Whether the installed uvicorn is one that the short cut was proven with."""
    return uvicorn.__version__.rpartition(".")[0] == PROVEN_UVICORN


class _InFlight:
    """What uvicorn knows as the request under way, for as long as the event is being made durable."""

    __slots__ = ("disconnected", "keep_alive", "response_complete", "started")

    def __init__(self) -> None:
        self.response_complete = True
        self.keep_alive = True
        self.disconnected = False
        self.started = 0.0

    @property
    def message_event(self) -> "_InFlight":
        return self

    def set(self) -> None:
        """Nobody waits for more of the body: it is complete."""


class Answers:
    """What one turn of the loop answers, written at its end, one after another without a pause.

    A client that is woken by each single answer falls asleep again before the next one, and waking somebody costs more
    than writing to him. One instance serves all connections of a loop.
    """

    __slots__ = ("_port", "_seconds", "_written")

    def __init__(self, port: RestPort) -> None:
        self._port = port
        self._written: list[tuple[asyncio.Transport, bytes]] = []
        self._seconds: list[float] = []

    def add(
        self, transport: asyncio.Transport, content: bytes, seconds: float | None, loop: asyncio.AbstractEventLoop
    ) -> None:
        """Have ``content`` written in this turn; ``seconds`` is how long an accepted event took, to be counted."""
        if not self._written:
            loop.call_soon(self.write)
        self._written.append((transport, content))
        if seconds is not None:
            self._seconds.append(seconds)

    def write(self) -> None:
        """Write what there is."""
        written, self._written = self._written, []
        for transport, content in written:
            transport.write(content)
        if self._seconds:
            seconds, self._seconds = self._seconds, []
            count_requests(self._port, "POST", PATH, 202, seconds)


class Head(msgspec.Struct, frozen=True):
    """The bytes of a plain request's head around its content length; ``key`` is the key in it.

    What begins with the very same bytes needs no parser to say what it is: clients that stay connected send the same
    head again and again, and only the length changes.
    """

    before: bytes
    after: bytes
    key: str

    @classmethod
    def of(cls, data: bytes, body: bytes, key: str) -> "Head | None":
        """Return the head of ``data``, a request that was plain; ``None`` where it is more than a head and a body."""
        head = data[: len(data) - len(body)]
        if len(head) > LONGEST_HEAD or head + body != data or data.find(_BLANK_LINE) != len(head) - len(_BLANK_LINE):
            return None
        length = _CONTENT_LENGTH.search(head)
        if length is None or int(length[1]) != len(body):
            return None
        return cls(head[: length.start(1)], head[length.end(1) :], key)

    def body_in(self, data: bytes) -> bytes | None:
        """Return the body of ``data`` if that is exactly one request with this head."""
        if not data.startswith(self.before):
            return None
        start = len(self.before)
        end = data.find(self.after, start, start + len(self.after) + _MOST_DIGITS)
        digits = data[start:end] if end > start else b""
        if not digits.isdigit():
            return None
        body = data[end + len(self.after) :]
        return body if len(body) == int(digits) else None


class FastProtocol(HttpToolsProtocol):
    """uvicorn's protocol for one connection, with a short cut for plain events."""

    def __init__(self, port: RestPort, answers: Answers, **given: Any) -> None:
        super().__init__(**given)
        self._port = port
        self._answers = answers
        self._held = False
        self._pieces: list[bytes] = []
        self._in_flight = _InFlight()
        self._idle_since = 0.0
        self._idle_timer: asyncio.TimerHandle | None = None
        self._between = True
        self._head: Head | None = None
        self._took: list[tuple[bytes, str]] = []
        self._of_key: Caller | None = None
        self._caller: Caller | None = None
        self._defaults: list[tuple[bytes, bytes]] | None = None
        self._default_lines = b""

    def on_message_begin(self) -> None:
        # What ASGI needs to know of a request is made only for those that go there.
        self._between = False
        self.url = b""
        self.headers = []

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        if self.url == _PATH and self._alone() and self.parser.get_method() == b"POST":
            # Nothing is decided before the body is here: until then nobody has been told of the request.
            self._held = True
            self._pieces = []
            return
        self._begin()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._idle_timer is not None:
            self._idle_timer.cancel()
            self._idle_timer = None
        super().connection_lost(exc)

    def on_body(self, body: bytes) -> None:
        if self._held:
            self._pieces.append(body)
        else:
            super().on_body(body)

    def on_message_complete(self) -> None:
        self._between = True
        if not self._held:
            super().on_message_complete()
        elif not self._parsed_and_taken():
            self._the_ordinary_way()
            super().on_message_complete()

    def data_received(self, data: bytes) -> None:
        between = self._between
        if between and self._head is not None and self._alone():
            body = self._head.body_in(data)
            if body and self._taken(body, self._head.key):
                self._unset_keepalive_if_required()
                return
        self._took.clear()
        super().data_received(data)
        if between and self._took:
            self._head = Head.of(data, *self._took[-1])
        if self._held and not self.transport.is_closing():
            # The rest is still on its way; waiting for it, within its limits, is the ordinary path's business.
            self._the_ordinary_way()

    def shutdown(self) -> None:
        self._answers.write()  # before the connection is closed
        super().shutdown()

    def _alone(self) -> bool:
        cycle: Any = self.cycle  # uvicorn has none before the first request, whatever its type says
        return (cycle is None or cycle.response_complete) and not self.flow.write_paused

    def _begin(self) -> None:
        """Have uvicorn told of the request's head, as if it had just come."""
        url, headers = self.url, self.headers
        super().on_message_begin()
        super().on_url(url)
        for name, value in headers:
            super().on_header(name, value)
        super().on_headers_complete()

    def _the_ordinary_way(self) -> None:
        self._held = False
        self._begin()
        for piece in self._pieces:
            super().on_body(piece)
        self._pieces = []

    def _parsed_and_taken(self) -> bool:
        """Take the request that the parser holds, if it is plain; false leaves everything as it was."""
        key = _key_in(self.headers)
        if key is None or self.parser.get_http_version() != "1.1" or not self.parser.should_keep_alive():
            return False
        body = b"".join(self._pieces)
        if not self._taken(body, key):
            return False
        self._held = False
        self._pieces = []
        self._took.append((body, key))
        return True

    def _taken(self, body: bytes, key: str) -> bool:
        """Take a request with a plain head, if its body and key are well; false leaves everything as it was."""
        port = self._port
        if not body or body.isspace() or len(body) > port.limits.body_bytes:
            return False
        under_way = self._in_flight
        under_way.started = port.clock.monotonic()
        before, self.cycle = self.cycle, under_way  # type: ignore[assignment]
        under_way.response_complete = False
        try:
            caller = self._from_here(port.identify.authenticate(key))
        except IncidentManagerError:
            taken = False
        else:
            taken = self._accepted(body, caller)
        if not taken:
            under_way.response_complete = True
            self.cycle = before
        return taken

    def _accepted(self, body: bytes, caller: Caller) -> bool:
        try:
            return self._port.intake.accept_soon(body, caller, self._answer)
        except IncidentManagerError as error:
            self._refuse(refusal_of(error))
        except Exception as failure:
            self._refuse(refusal_of(failure))
        return True

    def _from_here(self, caller: Caller) -> Caller:
        """Return the caller with the address that speaks; the same one as long as nothing about the key changes."""
        if self._caller is None or caller is not self._of_key:
            facts = RequestFacts(client_ip=self.client[0] if self.client else None)
            self._of_key, self._caller = caller, msgspec.structs.replace(caller, request=facts)
        return self._caller

    def _answer(self, outcome: Receipt | Unavailable) -> None:
        if isinstance(outcome, Unavailable):
            self._refuse(refusal_of(outcome))
        else:
            self._write(202, _ACCEPTED, b"application/json", single_answer(outcome), ())

    def _refuse(self, refused: Refusal) -> None:
        self._write(refused.status, STATUS_LINE[refused.status], refused.media_type, refused.content, refused.headers)

    def _write(
        self, status: int, line: bytes, media_type: bytes, content: bytes, headers: tuple[tuple[bytes, bytes], ...]
    ) -> None:
        under_way = self._in_flight
        under_way.response_complete = True
        now = self._port.clock.monotonic()
        seconds = now - under_way.started
        counted = False
        if not self.transport.is_closing() and not under_way.disconnected:
            head = [line, self._default_head()]
            for name, value in headers:
                head += (name, b": ", value, b"\r\n")
            if not under_way.keep_alive:
                head.append(b"connection: close\r\n")
            head.append(b"content-type: %b\r\ncontent-length: %d\r\n\r\n%b" % (media_type, len(content), content))
            if under_way.keep_alive:
                counted = status == 202
                self._answers.add(self.transport, b"".join(head), seconds if counted else None, self.loop)
            else:
                self.transport.write(b"".join(head))
                self.transport.close()
        self._complete(now)
        if not counted:
            count_request(self._port, "POST", PATH, status, seconds)

    def _default_head(self) -> bytes:
        """Return the lines that every answer has; uvicorn makes a new list of them each second, for the date."""
        if self.server_state.default_headers is not self._defaults:
            self._defaults = self.server_state.default_headers
            self._default_lines = b"".join([b"%b: %b\r\n" % header for header in self._defaults])
        return self._default_lines

    def _complete(self, now: float) -> None:
        """End the request as uvicorn would, with one timer for the connection instead of one for each request."""
        if self.pipeline:
            self.on_response_complete()
            return
        self.server_state.total_requests += 1
        self._idle_since = now
        if self._idle_timer is None and not self.transport.is_closing():
            self._idle_timer = self.loop.call_later(self.timeout_keep_alive, self._close_if_idle)

    def _close_if_idle(self) -> None:
        self._idle_timer = None
        cycle: Any = self.cycle
        if self.transport.is_closing() or not self._in_flight.response_complete or self._held:
            return
        if cycle is not self._in_flight:
            return  # an ordinary request came after: uvicorn's own timer watches it
        left = self.timeout_keep_alive - (self._port.clock.monotonic() - self._idle_since)
        if left <= 0:
            self.timeout_keep_alive_handler()
        else:
            self._idle_timer = self.loop.call_later(left, self._close_if_idle)


def _key_in(headers: list[tuple[bytes, bytes]]) -> str | None:
    """Return the key in a plain request's headers, or ``None`` if they say anything more, or no key."""
    key: bytes | None = None
    kind: bytes | None = None
    for given, value in headers:
        name = given.lower()
        if name in _NOT_PLAIN:
            return None
        if name in (b"x-api-key", b"authorization"):
            if key is not None:
                return None
            if name == b"authorization":
                if value[:7] != b"Bearer ":
                    return None
                value = value[7:]
            key = value.strip()
        elif name == b"content-type":
            if kind is not None or value not in _JSON:
                return None
            kind = value
    if not key or len(key) > LONGEST_KEY or not key.isascii():
        return None
    return key.decode("ascii")
