"""The doors as one ASGI application: who may come in, who is in, and how all leave when the process stops."""

import asyncio
from collections.abc import Mapping

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from llm_incident_manager.api.identity import credentials
from llm_incident_manager.api.problems import as_response, problem, problem_response
from llm_incident_manager.api.websocket.events import EventsSession
from llm_incident_manager.api.websocket.incidents import IncidentsSession
from llm_incident_manager.api.websocket.paths import EVENTS, INCIDENTS, PATHS
from llm_incident_manager.api.websocket.port import WebSocketPort
from llm_incident_manager.api.websocket.session import POLICY, RESTART, Session
from llm_incident_manager.domain.vocabulary import Scope as KeyScope
from llm_incident_manager.errors import IncidentManagerError, NotFound, Unavailable

STOP_SECONDS = 3.0
"""So long who is connected may take to hear the answers that it is owed when the server stops."""
_DOORS: Mapping[str, tuple[type[Session], KeyScope]] = {
    EVENTS: (EventsSession, KeyScope.INGEST),
    INCIDENTS: (IncidentsSession, KeyScope.READ),
}


class WebSocketDoors:
    """Serves WebSocket connections; ``tick`` is to be called every second."""

    def __init__(self, port: WebSocketPort) -> None:
        self._port = port
        self._sessions: dict[str, set[Session]] = {path: set() for path in _DOORS}
        self._serving: set[asyncio.Task[None]] = set()
        self._stopping = False
        for path, sessions in self._sessions.items():
            port.telemetry.watch("websocket_connections", {"path": path}, lambda sessions=sessions: len(sessions))  # type: ignore[misc]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection from its handshake to its end; plain HTTP is told what to do."""
        if scope["type"] == "http":
            await _upgrade_required(scope["path"])(scope, receive, send)
            return
        await receive()
        try:
            session = self._admitted(scope, receive, send)
        except IncidentManagerError as refused:
            await _deny(problem_response(refused), scope, receive, send)
            return
        sessions = self._sessions[scope["path"]]
        sessions.add(session)
        serving = asyncio.ensure_future(self._serve(session, sessions, send))
        self._serving.add(serving)
        try:
            await asyncio.wait({serving})
        finally:
            serving.cancel()
            self._serving.discard(serving)

    async def _serve(self, session: Session, sessions: set[Session], send: Send) -> None:
        try:
            await send({"type": "websocket.accept"})
            await session.run()
        except OSError:
            return  # gone during the handshake
        finally:
            session.left()
            sessions.discard(session)

    async def tick(self) -> int:
        """Send heartbeats that are due, end who is idle or whose key was revoked; returns how many are connected."""
        connected = [session for sessions in self._sessions.values() for session in sessions]
        for session in connected:
            session.tick()
        return len(connected)

    def stop(self) -> None:
        """Let nobody in any more; who is in gets the answers owed, and is closed with 1012 (service restart)."""
        self._stopping = True
        for sessions in self._sessions.values():
            for session in sessions:
                session.end(RESTART, "the server stops; connect again")
        # Whoever does not read cannot be told, and must not hold up the end.
        asyncio.get_running_loop().call_later(STOP_SECONDS, self._cut)

    def _cut(self) -> None:
        for serving in self._serving:
            serving.cancel()

    def _admitted(self, scope: Scope, receive: Receive, send: Send) -> Session:
        port = self._port
        found = _DOORS.get(scope["path"])
        if found is None:
            raise NotFound(f"there is no WebSocket at this path; there are {EVENTS} and {INCIDENTS}")
        kind, needed = found
        if self._stopping:
            raise Unavailable("the server stops; connect again", code="stopping", retry_after_seconds=2)
        presented = credentials(port, scope, own_headers=True, in_query=True)
        presented.caller(port.identify).require(needed)
        if sum(map(len, self._sessions.values())) >= port.limits.connections:
            raise Unavailable(
                f"{port.limits.connections} WebSockets are open, no more are taken", code="too_many_connections"
            )
        return kind(port, presented, receive, send)


def _upgrade_required(path: str) -> Response:
    what = "speaks WebSocket" if path in PATHS else "is not served on this port, which speaks WebSocket"
    detail = f"{path[:80]} {what}: connect to {EVENTS} or {INCIDENTS} with ws:// or wss://; REST is on HTTP_PORT"
    return as_response(problem(426, "upgrade_required", detail), {"Upgrade": "websocket", "Connection": "Upgrade"})


async def _deny(answer: Response, scope: Scope, receive: Receive, send: Send) -> None:
    """Refuse a handshake with the problem as an HTTP answer, or with 1008 where the server cannot carry one."""
    if "websocket.http.response" in scope.get("extensions", {}):
        headers = answer.raw_headers
        await send({"type": "websocket.http.response.start", "status": answer.status_code, "headers": headers})
        await send({"type": "websocket.http.response.body", "body": bytes(answer.body)})
        return
    await send({"type": "websocket.close", "code": POLICY})
