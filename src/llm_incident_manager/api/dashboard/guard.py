"""The border of every page: who asks, whether a form is ours, and what an error looks like."""

from collections.abc import Awaitable, Callable
from urllib.parse import urlencode

import structlog
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from llm_incident_manager.api.dashboard.forms import TYPED, Form, read_form
from llm_incident_manager.api.dashboard.port import DashboardPort, Session
from llm_incident_manager.api.dashboard.render import SECURITY_HEADERS, Renderer
from llm_incident_manager.api.dashboard.session import Sessions, from_own_page, local_path, same_token
from llm_incident_manager.api.dashboard.settings import DashboardSettings
from llm_incident_manager.errors import (
    Conflict,
    Forbidden,
    IncidentManagerError,
    Invalid,
    NotFound,
    RateLimited,
    StaleVersion,
    TooLarge,
    Unauthenticated,
    Unavailable,
)

Endpoint = Callable[[Request], Awaitable[Response]]
Page = Callable[[Request, Session], Awaitable[Response]]
Post = Callable[[Request, Session, Form], Awaitable[Response]]

STATUS_OF: dict[type[IncidentManagerError], tuple[int, str]] = {
    Invalid: (422, "That cannot be taken as it is"),
    TooLarge: (413, "That is too large"),
    NotFound: (404, "There is no such incident"),
    Conflict: (409, "That is not possible any more"),
    StaleVersion: (412, "It changed while you were writing"),
    Forbidden: (403, "You may not do this"),
    Unauthenticated: (401, "You are signed out"),
    RateLimited: (429, "Too many requests"),
    Unavailable: (503, "It does not work right now"),
}
"""What each kind of error is called on a page, and its HTTP status."""


class Forged(Forbidden):
    """A form that did not come from a page of this session."""

    code = "forged_form"


class Guard:
    """Wraps the pages' functions into endpoints."""

    def __init__(self, port: DashboardPort, settings: DashboardSettings, renderer: Renderer) -> None:
        self.port = port
        self.settings = settings
        self.renderer = renderer
        self.sessions = Sessions(settings)

    def open_to_all(self, answer: Endpoint) -> Endpoint:
        """Return an endpoint that needs no session."""

        async def endpoint(request: Request) -> Response:
            try:
                response = await answer(request)
            except IncidentManagerError as error:
                response = self.error_page(error, self.sessions.read(request))
            except Exception:
                response = self._unexpected(request)
            return _with_headers(response)

        return endpoint

    def page(self, answer: Page) -> Endpoint:
        """Return an endpoint for people who are signed in; others are sent to the sign-in page."""

        async def guarded(request: Request) -> Response:
            session = self.sessions.read(request)
            if session is None:
                return self._to_sign_in(request)
            try:
                return await answer(request, session)
            except Unauthenticated:
                return self._to_sign_in(request)

        return self.open_to_all(guarded)

    def post(self, answer: Post) -> Endpoint:
        """Return an endpoint for forms: from our own page, with the session's token, by somebody who is signed in."""

        async def guarded(request: Request) -> Response:
            session = self.sessions.read(request)
            form = await read_form(request)
            if not from_own_page(request, self.settings.public_url):
                return self.error_page(_forged(), session, form)
            if session is None:
                return self.error_page(_signed_out(), None, form)
            if not same_token(session.csrf, form.one("csrf")):
                return self.error_page(_forged(), session, form)
            try:
                return await answer(request, session, form)
            except IncidentManagerError as error:
                return self.error_page(error, session, form, back=local_path(form.one("back")))

        return self.open_to_all(guarded)

    def error_page(
        self,
        error: IncidentManagerError,
        session: Session | None,
        form: Form | None = None,
        *,
        back: str | None = None,
    ) -> Response:
        """Return a page that says what happened and gives back what was typed."""
        status, title = next(found for kind, found in STATUS_OF.items() if isinstance(error, kind))
        wait = getattr(error, "retry_after_seconds", None)
        context = {
            "title": "This form was refused" if isinstance(error, Forged) else title,
            "message": error.message,
            "faults": getattr(error, "faults", []),
            "typed": [(TYPED[name], value) for name, value in form.typed()] if form else [],
            "back": back or "/incidents",
            "retry_seconds": None if wait is None else max(1, round(wait)),
            "signed_out": isinstance(error, Unauthenticated),
        }
        headers = {} if wait is None else {"Retry-After": str(max(1, round(wait)))}
        return self.renderer.page("error.html", session, context, status=status, headers=headers)

    def _to_sign_in(self, request: Request) -> Response:
        wanted = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        query = f"?{urlencode({'next': wanted})}" if local_path(wanted) and wanted != "/incidents" else ""
        response = RedirectResponse(f"/sign-in{query}", status_code=303, headers={"Cache-Control": "no-store"})
        self.sessions.close(response)
        return response

    def _unexpected(self, request: Request) -> Response:
        structlog.get_logger(__name__).exception("dashboard_page_failed", path=_template(request))
        error = Unavailable("Something failed that nobody foresaw. It is in the log; nothing you sent was half done.")
        response = self.error_page(error, self.sessions.read(request))
        response.status_code = 500
        return response


def _template(request: Request) -> str:
    """Return the path as the routes write it: what stands in its place may be a token."""
    return str(getattr(request.scope.get("route"), "path", request.url.path))


def _forged() -> Forged:
    return Forged(
        "The form did not come from a page of yours, or the page is from before your last sign-in. Nothing was "
        "changed. Open the page again and repeat it there."
    )


def _signed_out() -> Unauthenticated:
    return Unauthenticated("Your sign-in has ended, so nothing was changed. Sign in, then repeat it.")


def _with_headers(response: Response) -> Response:
    for name, value in SECURITY_HEADERS.items():
        response.headers.setdefault(name, value)
    return response
