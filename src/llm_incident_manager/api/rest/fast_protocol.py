"""① ``POST /api/v1/events`` answered before ASGI, where the request is plain; everything else goes the ordinary way.

A request is plain when it arrives in one piece, alone on its connection, as HTTP/1.1 with a length, unpacked, with a
key in one of the two usual headers, and its event is new. Whatever is not plain, or is refused before the event is
looked at, is handed to the ordinary path as if nobody had looked: one place says what is wrong with a request.
"""

from typing import Any

import structlog
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from llm_incident_manager.api.rest.events import PATH, Refusal, refusal_of, single_answer
from llm_incident_manager.api.rest.identity import LONGEST_KEY
from llm_incident_manager.api.rest.port import RestPort
from llm_incident_manager.api.rest.requests import count_request
from llm_incident_manager.domain.incidents.changes import RequestFacts
from llm_incident_manager.engine.accept import Receipt
from llm_incident_manager.errors import IncidentManagerError, Unavailable

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


class FastProtocol(HttpToolsProtocol):
    """uvicorn's protocol for one connection, with a short cut for plain events."""

    def __init__(self, port: RestPort, **given: Any) -> None:
        super().__init__(**given)
        self._port = port
        self._held = False
        self._pieces: list[bytes] = []
        self._in_flight = _InFlight()
        self._facts: tuple[bytes | None, RequestFacts] | None = None

    def on_headers_complete(self) -> None:
        if self.url == _PATH and self._alone() and self.parser.get_method() == b"POST":
            # Nothing is decided before the body is here: until then nobody has been told of the request.
            self._held = True
            self._pieces = []
            return
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        if self._held:
            self._pieces.append(body)
        else:
            super().on_body(body)

    def on_message_complete(self) -> None:
        if not self._held:
            super().on_message_complete()
        elif not self._taken():
            self._the_ordinary_way()
            super().on_message_complete()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._held and not self.transport.is_closing():
            # The rest is still on its way; waiting for it, within its limits, is the ordinary path's business.
            self._the_ordinary_way()

    def _alone(self) -> bool:
        cycle: Any = self.cycle  # uvicorn has none before the first request, whatever its type says
        return (cycle is None or cycle.response_complete) and not self.flow.write_paused

    def _the_ordinary_way(self) -> None:
        self._held = False
        super().on_headers_complete()
        for piece in self._pieces:
            super().on_body(piece)
        self._pieces = []

    def _taken(self) -> bool:
        """Take the request if it is plain; false leaves everything as it was."""
        port = self._port
        body = b"".join(self._pieces)
        key, agent = self._key_and_agent()
        if key is None or not body or body.isspace() or len(body) > port.limits.body_bytes:
            return False
        if self.parser.get_http_version() != "1.1" or not self.parser.should_keep_alive():
            return False
        under_way = self._in_flight
        under_way.started = port.clock.monotonic()
        before, self.cycle = self.cycle, under_way  # type: ignore[assignment]
        under_way.response_complete = False
        try:
            caller = port.identify.authenticate(key, None, request=self._request_facts(agent))
        except IncidentManagerError:
            taken = False
        else:
            taken = self._accepted(body, caller)
        if taken:
            self._held = False
            self._pieces = []
        else:
            under_way.response_complete = True
            self.cycle = before
        return taken

    def _accepted(self, body: bytes, caller: Any) -> bool:
        try:
            return self._port.intake.accept_soon(body, caller, self._answer)
        except IncidentManagerError as error:
            self._refuse(refusal_of(error))
        except Exception as failure:
            self._refuse(refusal_of(failure))
        return True

    def _key_and_agent(self) -> tuple[str | None, bytes | None]:
        """Return the key, ``None`` where the request is not plain, and the user agent."""
        key: bytes | None = None
        kind = agent = None
        for name, value in self.headers:
            if name in _NOT_PLAIN:
                return None, None
            if name in (b"x-api-key", b"authorization"):
                if key is not None:
                    return None, None
                if name == b"authorization":
                    if value[:7] != b"Bearer ":
                        return None, None
                    value = value[7:]
                key = value.strip()
            elif name == b"content-type":
                if kind is not None or value not in _JSON:
                    return None, None
                kind = value
            elif name == b"user-agent" and agent is None:
                agent = value
        if not key or len(key) > LONGEST_KEY or not key.isascii():
            return None, None
        return key.decode("ascii"), agent

    def _request_facts(self, agent: bytes | None) -> RequestFacts:
        if self._facts is None or self._facts[0] != agent:
            text = agent.decode("latin-1").strip()[:300] if agent else None
            facts = RequestFacts(client_ip=self.client[0] if self.client else None, user_agent=text or None)
            self._facts = (agent, facts)
        return self._facts[1]

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
        if not self.transport.is_closing() and not under_way.disconnected:
            head = [line]
            for name, value in (*self.server_state.default_headers, *headers):
                head += (name, b": ", value, b"\r\n")
            if not under_way.keep_alive:
                head.append(b"connection: close\r\n")
            head.append(b"content-type: %b\r\ncontent-length: %d\r\n\r\n%b" % (media_type, len(content), content))
            self.transport.write(b"".join(head))
            if not under_way.keep_alive:
                self.transport.close()
        self.on_response_complete()
        count_request(self._port, "POST", PATH, status, self._port.clock.monotonic() - under_way.started)
