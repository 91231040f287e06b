"""What the next page says about the last action, carried over the redirect in a signed cookie."""

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from llm_incident_manager.api.dashboard.session import Sessions


class Undo(msgspec.Struct, frozen=True, kw_only=True):
    """The post that takes the last action back, where one exists that really does."""

    path: str
    fields: dict[str, str] = msgspec.field(default_factory=dict)


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """One sentence, and a way back for ten seconds where there is an honest one."""

    text: str
    failed: bool = False
    undo: Undo | None = None


def put_notice(sessions: Sessions, response: Response, notice: Notice) -> None:
    """Let the next page say ``notice``."""
    short = msgspec.structs.replace(notice, text=notice.text[:1000])
    sessions.write(response, "notice", msgspec.to_builtins(short), 60)


def take_notice(sessions: Sessions, request: Request) -> Notice | None:
    """Return what the page shall say; the caller removes the cookie. Pages fetched by the script leave it alone."""
    if request.headers.get("x-dashboard"):
        return None
    content = sessions.read_cookie(request, "notice")
    return msgspec.convert(content, Notice) if content else None
