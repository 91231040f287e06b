"""Gets the calendars that schedules name: guarded (SEC-05), bounded, and silent about the address."""

import asyncio

import httpcore2

from llm_incident_manager.channels.outgoing import OutgoingGuard
from llm_incident_manager.errors import Invalid, Unavailable

MOST_BYTES = 4 * 1024 * 1024
SECONDS = 20.0
REDIRECTS = 3


class CalendarFetch:
    """One connection pool whose every connection passes the guard, also after a redirect."""

    def __init__(self, guard: OutgoingGuard) -> None:
        self._guard = guard
        self._pool = httpcore2.AsyncConnectionPool(
            max_connections=10, max_keepalive_connections=0, network_backend=guard.network_backend()
        )

    async def get(self, url: str) -> str:
        """Return the text at ``url``. Raises Forbidden where the guard refuses, Invalid and Unavailable."""
        host = "the calendar's host"
        try:
            async with asyncio.timeout(SECONDS):
                for _ in range(REDIRECTS + 1):
                    target = self._guard.parse(url)
                    host = target.host
                    moved, body = await self._once(str(target), host)
                    if moved is None:
                        return body.decode("utf-8", "replace")
                    url = str(target.join(moved))
        except (TimeoutError, httpcore2.TimeoutException):
            raise Unavailable(f"{host} did not answer within {SECONDS:g} s") from None
        except (httpcore2.NetworkError, httpcore2.ProtocolError, OSError):
            raise Unavailable(f"{host} cannot be connected to, or hung up") from None
        raise Invalid(f"{host} redirects more than {REDIRECTS} times")

    async def aclose(self) -> None:
        """Close all connections."""
        await self._pool.aclose()

    async def _once(self, url: str, host: str) -> tuple[str | None, bytes]:
        headers = [("Accept", "text/calendar, */*;q=0.1"), ("Accept-Encoding", "identity")]
        async with self._pool.stream("GET", url, headers=headers) as answer:
            if answer.status in (301, 302, 303, 307, 308):
                place = next((value for name, value in answer.headers if name.lower() == b"location"), b"")
                return place.decode("ascii", "replace"), b""
            if answer.status != 200:
                raise Unavailable(f"{host} answered {answer.status}")
            body = bytearray()
            async for part in answer.aiter_stream():
                body += part
                if len(body) > MOST_BYTES:
                    raise Invalid(f"the calendar at {host} is larger than {MOST_BYTES // 1_048_576} MiB")
            return None, bytes(body)
