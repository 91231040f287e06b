"""Every request counted and timed under its path's template (ANA-02)."""

from collections.abc import Sequence
from functools import lru_cache

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from llm_incident_manager.api.rest.port import RestPort
from llm_incident_manager.engine.telemetry import Labels

UNMATCHED = "unmatched"
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def count_request(port: RestPort, method: str, path: str, status: int, seconds: float) -> None:
    """Count one answered request; ``path`` is a template, never what a client made up."""
    labels, of_path = _labels(method if method in _METHODS else "other", path, status)
    port.telemetry.count("api_requests_total", labels)
    port.telemetry.observe("api_request_duration_seconds", of_path, seconds)
    if status >= 500:
        port.telemetry.count("api_errors_total", labels)


def count_requests(port: RestPort, method: str, path: str, status: int, seconds: Sequence[float]) -> None:
    """Count several answered requests of one kind; ``status`` below 500."""
    labels, of_path = _labels(method, path, status)
    port.telemetry.count("api_requests_total", labels, len(seconds))
    port.telemetry.observe_all("api_request_duration_seconds", of_path, seconds)


@lru_cache(maxsize=4096)
def _labels(method: str, path: str, status: int) -> tuple[Labels, Labels]:
    of_path = (("method", method), ("path", path))
    return (*of_path, ("status", str(status))), of_path


class RequestsCounted:
    """Middleware that counts what the application inside answers."""

    def __init__(self, app: ASGIApp, port: RestPort) -> None:
        self.app = app
        self._port = port

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and count its answer."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = self._port.clock.monotonic()
        status = 500

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, sending)
        finally:
            template = getattr(scope.get("route"), "path", UNMATCHED)
            count_request(self._port, scope["method"], template, status, self._port.clock.monotonic() - started)
