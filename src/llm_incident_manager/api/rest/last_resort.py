"""Nothing that fails here shows how: a fault nobody expected is answered with an id, and logged under it."""

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from llm_incident_manager.api.bodies import ClientGone
from llm_incident_manager.api.problems import as_response, problem
from llm_incident_manager.ids import new_id

_log = structlog.get_logger("api")


class LastResort:
    """Middleware behind which no exception leaves the API."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on; answer 500 as a problem document where it fails."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begun = False

        async def sending(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self.app(scope, receive, sending)
        except ClientGone:
            return
        except Exception:
            fault_id = new_id("err")
            _log.exception("request_failed", fault_id=fault_id, path=scope["path"])
            if not begun:
                failed = as_response(problem(500, "internal_error", f"it failed here; mention {fault_id}"))
                await failed(scope, receive, send)
