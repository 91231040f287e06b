"""One request to an address that somebody typed in, tried once, and what its answer means for a page.

It uses the connection pool below the HTTP client: the client would log whole URLs (a Slack webhook's URL is its
secret), keep cookies of one tenant for the next, and read proxies from the environment.
"""

import asyncio
import json
import re
import ssl
from base64 import b64encode
from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from functools import cache
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import httpcore2
import httpx2
import msgspec
from pydantic import BaseModel, ConfigDict, Field

from llm_incident_manager.channels.outgoing import HostUnknown, OutgoingGuard, OutgoingRefused
from llm_incident_manager.clock import Clock
from llm_incident_manager.domain.notifications.message import Delivered, Outcome, Rejected, RetryLater

USER_AGENT = "llm-incident-manager"
BODY_LIMIT = 64 * 1024
"""Bytes of an answer that are read; the rest is dropped with its connection."""

LONGEST_WAIT_SECONDS = 3600.0
_WISHES = (b"retry-after", b"x-ratelimit-period-in-sec")
"""RFC 9110 §10.2.3; Opsgenie's own name for it (its page "Rate Limiting")."""
_BODY_SECONDS = 2.0
_CONNECTIONS = 100
_CONNECTIONS_PER_HOST = 8
_KEPT_LANES = 1000
FAILURES = (HostUnknown, OSError, httpcore2.TimeoutException, httpcore2.NetworkError, httpcore2.ProtocolError)
"""What the far side, or the way to it, may do to a request."""


class HttpSettings(BaseModel):
    """What every channel over HTTP can be told."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    timeout_seconds: float = Field(10.0, gt=0, le=60, description="The longest one try may take.")
    ca_file: str | None = Field(None, description="Certificates (PEM) to trust beside the system's own.")


class Answer(NamedTuple):
    """What the far side said; ``retry_after_seconds`` is its own wish, at most an hour."""

    status: int
    retry_after_seconds: float | None
    body: bytes


class HttpPost:
    """Posts through the guard, with kept connections; a slow host can occupy only a few of them."""

    def __init__(self, settings: HttpSettings, *, guard: OutgoingGuard, clock: Clock) -> None:
        self.guard = guard
        self._clock = clock
        self._timeout_seconds = settings.timeout_seconds
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=_system_trust() if settings.ca_file is None else _trust_beside(settings.ca_file),
            max_connections=_CONNECTIONS,
            max_keepalive_connections=20,
            keepalive_expiry=30.0,
            network_backend=guard.network_backend(),
        )
        self._lanes: dict[str, asyncio.Semaphore] = {}

    async def post(self, url: str, *, headers: Mapping[str, str], body: bytes) -> Answer | RetryLater | Rejected:
        """Return the answer, or why there is none; never raises for anything the far side does."""
        return await self._tried("POST", url, headers, body)

    async def get(self, url: str, *, headers: Mapping[str, str]) -> Answer | RetryLater | Rejected:
        """Return the answer to a GET; as :meth:`post`."""
        return await self._tried("GET", url, headers, None)

    async def _tried(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None
    ) -> Answer | RetryLater | Rejected:
        try:
            target = self.guard.parse(url)
        except OutgoingRefused as refused:
            return Rejected(reason=refused.message)
        host = target.host
        try:
            async with asyncio.timeout(self._timeout_seconds) as limit:
                async with self._lane(host):
                    return await self._exchange(method, target, headers, body, limit.when() or 0.0)
        except OutgoingRefused as refused:
            return Rejected(reason=refused.message)
        except FAILURES as failure:
            return RetryLater(reason=failure_said(failure, host, self._timeout_seconds))

    async def aclose(self) -> None:
        """Close all connections."""
        await self._pool.aclose()

    async def _exchange(
        self, method: str, target: httpx2.URL, headers: Mapping[str, str], body: bytes | None, limit: float
    ) -> Answer:
        every = {
            "Host": target.netloc.decode("ascii"),
            "User-Agent": USER_AGENT,
            "Accept": "*/*",
            "Accept-Encoding": "identity",
            **({} if body is None else {"Content-Length": str(len(body))}),
            **headers,
        }
        if target.userinfo:
            credentials = b64encode(f"{target.username}:{target.password}".encode()).decode("ascii")
            every["Authorization"] = f"Basic {credentials}"
        request = httpcore2.Request(
            method,
            httpcore2.URL(scheme=target.raw_scheme, host=target.raw_host, port=target.port, target=target.raw_path),
            headers=[(name.encode("ascii"), value.encode("ascii")) for name, value in every.items()],
            content=body,
            extensions={"timeout": {"connect": self._timeout_seconds}},
        )
        response = await self._pool.handle_async_request(request)
        try:
            text = await _beginning(response, limit)
        finally:
            await response.aclose()
        said = {name.lower(): value for name, value in reversed(response.headers)}
        wish = next((said[name] for name in _WISHES if name in said), None)
        return Answer(response.status, wait_wished(wish, self._clock.now()), text)

    def _lane(self, host: str) -> asyncio.Semaphore:
        if host not in self._lanes:
            if len(self._lanes) >= _KEPT_LANES:
                self._lanes = {name: lane for name, lane in self._lanes.items() if lane.locked()}
            self._lanes[host] = asyncio.Semaphore(_CONNECTIONS_PER_HOST)
        return self._lanes[host]


def failure_said(failure: BaseException, host: str, timeout_seconds: float) -> str:
    """Return why there was no answer, in words that show of the address only the host."""
    if isinstance(failure, HostUnknown):
        return failure.message
    if isinstance(failure, TimeoutError | httpcore2.TimeoutException):
        return f"{host} did not answer within {timeout_seconds:g} s"
    if isinstance(failure, httpcore2.ConnectError):
        if (tls := _tls_error(failure)) is not None:
            distrusted = isinstance(tls, ssl.SSLCertVerificationError)
            return f"the certificate of {host} is not trusted" if distrusted else f"{host} does not speak TLS"
        return f"{host} cannot be connected to"
    if isinstance(failure, httpcore2.ProtocolError):
        return f"{host} hung up or does not speak HTTP"
    return f"the connection to {host} broke"


@cache
def _system_trust() -> ssl.SSLContext:
    """Return what trusts the system's certificates: read once, which takes a tenth of a second, for all channels."""
    return ssl.create_default_context()


def _trust_beside(ca_file: str) -> ssl.SSLContext:
    trust = ssl.create_default_context()
    trust.load_verify_locations(ca_file)
    return trust


def _tls_error(error: BaseException | None) -> ssl.SSLError | None:
    """Return the TLS error at the bottom of it; the libraries between wrap it once or twice."""
    while error is not None and not isinstance(error, ssl.SSLError):
        error = error.__cause__ or error.__context__
    return error


async def _beginning(response: httpcore2.Response, limit: float) -> bytes:
    """Return the first bytes of the body, read until shortly before the loop's time ``limit``.

    The status is known by now, so a body that breaks off or hangs must not turn "delivered" into a repeat.
    """
    body = bytearray()
    try:
        async with asyncio.timeout_at(min(asyncio.get_running_loop().time() + _BODY_SECONDS, limit - 0.1)):
            async for part in response.aiter_stream():
                body += part
                if len(body) >= BODY_LIMIT:
                    break
    except (TimeoutError, httpcore2.TimeoutException, httpcore2.NetworkError, httpcore2.ProtocolError):
        pass
    return bytes(body[:BODY_LIMIT])


def api_address(value: str) -> str:
    """Return the address of an API without a slash at its end.

    Raises:
        ValueError: it is none; the message does not repeat it.
    """
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment or parts.username:
        raise ValueError("this is not the address of an API; write it like https://api.example.com")
    return value.rstrip("/")


def json_bytes(value: Any) -> bytes:
    """Return ``value`` as JSON in UTF-8."""
    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError:
        # Half a surrogate pair in an event's text: escaped, it still is JSON.
        return json.dumps(value, separators=(",", ":"), default=str).encode("ascii")


def wait_wished(value: bytes | None, now: datetime) -> float | None:
    """Return the seconds that ``Retry-After`` asks for (RFC 9110 §10.2.3: a number or a date), or ``None``."""
    if value is None:
        return None
    if re.fullmatch(rb"[0-9]{1,9}", value.strip()):
        return min(float(value), LONGEST_WAIT_SECONDS)
    try:
        at = parsedate_to_datetime(value.decode("ascii"))
        seconds = (at - now).total_seconds()
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(seconds, 0.0), LONGEST_WAIT_SECONDS)


def meaning(answer: Answer, host: str, *, detail: str = "") -> Outcome:
    """Return what an HTTP answer means for a page: a 2xx has it, 408, 425, 429 and 5xx may take it later."""
    said = f"{host} answered {answer.status}{detail}"
    if 200 <= answer.status < 300:
        return Delivered()
    if answer.status in (408, 425, 429) or answer.status >= 500:
        return RetryLater(reason=said, after_seconds=answer.retry_after_seconds)
    if 300 <= answer.status < 400:
        return Rejected(reason=f"{said}; redirects are not followed")
    return Rejected(reason=said)
