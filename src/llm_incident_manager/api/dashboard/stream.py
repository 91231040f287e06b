"""``GET /stream``: says which incident changed, so that open pages renew what they show."""

import asyncio
import json
from collections.abc import AsyncGenerator

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from llm_incident_manager.api.dashboard.guard import Guard
from llm_incident_manager.api.dashboard.port import Document, Session
from llm_incident_manager.errors import IncidentManagerError, Unauthenticated

_KEYS = ("incident_id", "severity", "status", "kind")
_RETRY_MILLISECONDS = 2000


class Stream:
    """Server-sent events (WHATWG HTML §9.2). It carries ids, never content: pages fetch that with their own rights."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard

    async def show(self, request: Request) -> Response:
        """Answer with the stream, or 204, upon which browsers stop asking, where nobody is signed in."""
        session = self._guard.sessions.read(request)
        try:
            if session is None or not await self._guard.port.people(session):
                return Response(status_code=204)
        except Unauthenticated:
            return Response(status_code=204)  # removed since signing in
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(self._lines(session), media_type="text/event-stream", headers=headers)

    async def _lines(self, session: Session) -> AsyncGenerator[str, None]:
        settings = self._guard.settings
        changes = self._guard.port.subscribe(session)
        yield f"retry: {_RETRY_MILLISECONDS}\nevent: hello\ndata: {{}}\n\n"
        coming: asyncio.Future[Document] | None = None
        try:
            while settings.clock.now() < session.expires_at:
                coming = coming or asyncio.ensure_future(anext(changes))
                await asyncio.wait({coming}, timeout=settings.heartbeat.total_seconds())
                if not coming.done():
                    yield "event: beat\ndata: {}\n\n"
                    continue
                change, coming = coming.result(), None
                known = {key: change[key] for key in _KEYS if change.get(key) is not None}
                yield f"event: change\ndata: {json.dumps(known)}\n\n"
        except (StopAsyncIteration, IncidentManagerError):
            return  # the server stops, the store is away, the person was removed: the browser asks again by itself
        finally:
            if coming is not None:
                coming.cancel()
