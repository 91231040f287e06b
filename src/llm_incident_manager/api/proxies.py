"""Where a request really came from, when proxies stand before this server (SEC-04).

A proxy adds the address that spoke to it at the right end of ``X-Forwarded-For``; whatever stands left of what the
trusted ones wrote is the sender's own text. So the rightmost address that is no trusted proxy is the one that counts:
for ``allow_ips``, the audit trail and the logs. Without trusted proxies the header is not looked at.
"""

import ipaddress
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from llm_incident_manager.domain.events.origin import is_within

HEADER = "x-forwarded-for"
_PROTO = b"x-forwarded-proto"
_MOST_HOPS = 50
_SECURE = {"http": "https", "ws": "wss"}
Networks = Callable[[], tuple[str, ...]]
"""Returns the networks of trusted proxies, as they are set now."""


def origin(peer: str | None, forwarded: Iterable[str], trusted: tuple[str, ...]) -> str | None:
    """Return the rightmost address that is no trusted proxy, beginning with the ``peer`` itself.

    ``forwarded`` are the header's values in order. What a trusted proxy wrote and is no address ends the walk at that
    proxy; if all are trusted proxies, the first of them is where it came from.
    """
    if peer is None or not trusted or not is_within(peer, trusted):
        return peer
    hops = [hop for value in forwarded for hop in value.split(",")][-_MOST_HOPS:]
    found = peer
    for hop in reversed(hops):
        address = _address(hop)
        if address is None:
            return found
        found = address
        if not is_within(found, trusted):
            return found
    return found


class BehindProxies:
    """An ASGI application whose requests carry the address they really came from."""

    def __init__(self, app: ASGIApp, trusted: Networks) -> None:
        self._app = app
        self._trusted = trusted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        trusted = self._trusted()
        client: Sequence[Any] | None = scope.get("client")
        if trusted and client is not None and is_within(client[0], trusted):
            headers = scope["headers"]
            values = [value.decode("latin-1") for name, value in headers if name == HEADER.encode()]
            found = origin(client[0], values, trusted)
            scope = {**scope, "client": (found, client[1] if found == client[0] else 0)}
            spoken = next((value.strip().lower() for name, value in headers if name == _PROTO), b"")
            if spoken in (b"https", b"wss"):
                scope["scheme"] = _SECURE.get(scope["scheme"], scope["scheme"])
        await self._app(scope, receive, send)


def _address(hop: str) -> str | None:
    """Return the address in one hop: ``192.0.2.1``, ``192.0.2.1:4711``, ``2001:db8::1`` or ``[2001:db8::1]:4711``."""
    text = hop.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return None
