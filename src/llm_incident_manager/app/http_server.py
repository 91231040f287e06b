"""uvicorn in our own loop: sockets are bound before anything is promised, and nothing is cut off at the end."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import uvicorn

from llm_incident_manager.api.websocket.port import WebSocketLimits
from llm_incident_manager.api.websocket.protocol import WebSocketProtocol
from llm_incident_manager.errors import Conflict, Invalid

GRACE_SECONDS = 6
BACKLOG = 2048
PING_SECONDS = 30.0
"""A WebSocket whose other side answers no ping for so long is over (RFC 6455 §5.5.2)."""


def bind(host: str, port: int, variable: str = "HTTP_PORT") -> socket.socket:
    """Return a listening socket; port 0 picks a free one. ``variable`` is what an error tells to change.

    Raises Conflict (``port_in_use``) naming the variable to change, Invalid for a host that is none of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except PermissionError as error:
        listener.close()
        raise Invalid(f"{variable}: this user may not listen on port {port}; choose one above 1023") from error
    except OSError as error:
        listener.close()
        raise Conflict(
            f"cannot listen on {host}:{port} ({error.strerror}); set {variable} to another port, or 0 for a free one",
            code="port_in_use",
        ) from error
    listener.listen(BACKLOG)
    listener.setblocking(False)
    return listener


class HttpServer:
    """One ASGI application on one socket."""

    def __init__(
        self,
        app: Any,
        listener: socket.socket,
        *,
        tls_cert: Path | None = None,
        tls_key: Path | None = None,
        tls_client_ca: Path | None = None,
        protocol: Any = "httptools",
        websockets: Any = WebSocketProtocol,
        message_bytes: int = WebSocketLimits().unpacked_bytes,
    ) -> None:
        """``protocol`` speaks HTTP on each connection: uvicorn's own, or what makes a faster one;
        ``websockets`` likewise.

        A WebSocket message larger than ``message_bytes`` ends its connection.
        ``tls_client_ca``: whoever shows a certificate must have one that it signed; none is fine, keys are asked for.
        """
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            lifespan="off",
            http=protocol,
            ws=websockets,
            ws_max_size=message_bytes,
            ws_ping_interval=PING_SECONDS,
            ws_ping_timeout=PING_SECONDS,
            server_header=False,
            proxy_headers=False,  # whom to believe is a setting of ours: api/proxies.py
            date_header=True,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=GRACE_SECONDS,
            backlog=BACKLOG,
            ssl_certfile=str(tls_cert) if tls_cert else None,
            ssl_keyfile=str(tls_key) if tls_key else None,
            ssl_ca_certs=str(tls_client_ca) if tls_client_ca else None,
            ssl_cert_reqs=ssl.CERT_OPTIONAL if tls_client_ca else ssl.CERT_NONE,
        )
        self._server = _Embedded(config)
        self._listener = listener
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Return when requests are answered."""
        self._task = asyncio.get_running_loop().create_task(self._server.serve(sockets=[self._listener]))
        while not self._server.started:
            if self._task.done():
                await self._task
                raise Conflict("the HTTP server ended while it started", code="not_started")
            await asyncio.sleep(0.005)

    async def stop(self) -> None:
        """Answer what is in flight, take nothing new, and return within the grace time."""
        self._server.should_exit = True
        if self._task is not None:
            await self._task


class _Embedded(uvicorn.Server):
    """uvicorn without its own signal handlers: the process has one owner."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
