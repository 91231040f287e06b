"""One GET of an address that somebody typed in, tried once, read whole: for sources that are asked (ING-10, SEC-05).

It goes through the same guard as everything that is sent. Redirects are not followed: whoever set the address is told
where it points to.
"""

import asyncio
import ssl
from collections.abc import Mapping

import httpcore2
import httpx2

from llm_incident_manager.channels.http_post import FAILURES, USER_AGENT, failure_said, wait_wished
from llm_incident_manager.channels.outgoing import OutgoingGuard, OutgoingRefused
from llm_incident_manager.clock import Clock
from llm_incident_manager.engine.fetching import Fetched, NotFetched

LARGEST_BYTES = 4 * 1024**2
"""A longer answer is not read to its end; it counts as none."""

TIMEOUT_SECONDS = 15.0
_CONNECTIONS = 32


class HttpGet:
    """Asks through the guard; an answer that is cut short, too long or too slow is none."""

    def __init__(
        self,
        *,
        guard: OutgoingGuard,
        clock: Clock,
        timeout_seconds: float = TIMEOUT_SECONDS,
        trust: ssl.SSLContext | None = None,
    ) -> None:
        self._guard = guard
        self._clock = clock
        self._timeout_seconds = timeout_seconds
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=trust or ssl.create_default_context(),
            max_connections=_CONNECTIONS,
            max_keepalive_connections=8,
            keepalive_expiry=30.0,
            network_backend=guard.network_backend(),
        )

    async def get(self, url: str, headers: Mapping[str, str]) -> Fetched | NotFetched:
        """Return the answer, or why there is none; never raises for anything the far side does."""
        try:
            target = self._guard.parse(url)
        except OutgoingRefused as refused:
            return NotFetched(reason=refused.message)
        try:
            async with asyncio.timeout(self._timeout_seconds):
                return await self._exchange(target, headers)
        except OutgoingRefused as refused:
            return NotFetched(reason=refused.message)
        except FAILURES as failure:
            return NotFetched(reason=failure_said(failure, target.host, self._timeout_seconds))

    async def aclose(self) -> None:
        """Close all connections."""
        await self._pool.aclose()

    async def _exchange(self, target: httpx2.URL, headers: Mapping[str, str]) -> Fetched | NotFetched:
        every = {
            "Host": target.netloc.decode("ascii"),
            "User-Agent": USER_AGENT,
            "Accept-Encoding": "identity",
            **headers,
        }
        request = httpcore2.Request(
            "GET",
            httpcore2.URL(scheme=target.raw_scheme, host=target.raw_host, port=target.port, target=target.raw_path),
            headers=[(name.encode("ascii"), value.encode("latin-1", "replace")) for name, value in every.items()],
            extensions={"timeout": {"connect": self._timeout_seconds}},
        )
        response = await self._pool.handle_async_request(request)
        try:
            body = bytearray()
            async for part in response.aiter_stream():
                body += part
                if len(body) > LARGEST_BYTES:
                    return NotFetched(reason=f"{target.host} sent more than {LARGEST_BYTES} bytes")
        finally:
            await response.aclose()
        said = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers}
        wish = said.get("retry-after")
        return Fetched(
            status=response.status,
            headers=said,
            body=bytes(body),
            after_seconds=wait_wished(wish.encode("latin-1") if wish else None, self._clock.now()),
        )
