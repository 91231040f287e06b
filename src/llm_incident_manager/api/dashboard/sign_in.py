"""Signing in by a personal one-time link, and out."""

import secrets
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from llm_incident_manager.api.dashboard.forms import Form, read_form
from llm_incident_manager.api.dashboard.guard import Forged, Guard
from llm_incident_manager.api.dashboard.port import Session
from llm_incident_manager.api.dashboard.session import from_own_page, local_path, same_token

_ENTER_SECONDS = 900
_LONGEST_TOKEN = 200


class SignIn:
    """Turns a one-time link into a session. Looking at a link does not spend it: mail scanners look."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard

    async def explain(self, request: Request) -> Response:
        """Answer ``GET /sign-in``: how one gets a link; remembers the page that was asked for."""
        session = self._guard.sessions.read(request)
        wanted = local_path(request.query_params.get("next"))
        response = self._guard.renderer.page("sign_in.html", None, {"signed_in": session, "spent": False})
        if wanted:
            self._guard.sessions.write(response, "wanted", wanted, 3600)
        return response

    async def offer(self, request: Request) -> Response:
        """Answer ``GET /sign-in/{token}``: a page with one button, which spends the link."""
        token = request.path_params["token"][:_LONGEST_TOKEN]
        proof = secrets.token_urlsafe(24)
        response = self._guard.renderer.page("enter.html", None, {"token": token, "ticket": proof})
        self._guard.sessions.write(response, "enter", proof, _ENTER_SECONDS)
        return response

    async def enter(self, request: Request) -> Response:
        """Answer ``POST /sign-in/{token}``: spend the link, open the session, go where the person wanted to."""
        form = await read_form(request)
        proof = self._guard.sessions.read_cookie(request, "enter")
        own = from_own_page(request, self._guard.settings.public_url)
        if not own or not isinstance(proof, str) or not same_token(proof, form.one("csrf")):
            raise Forged("The sign-in page was open for too long, or cookies are off. Open your link again.")
        facts = await self._guard.port.redeem_link(request.path_params["token"][:_LONGEST_TOKEN])
        if facts is None:
            context = {"signed_in": None, "spent": True}
            return self._guard.renderer.page("sign_in.html", None, context, status=401)
        wanted = local_path(self._guard.sessions.read_cookie(request, "wanted"))
        response = RedirectResponse(wanted or "/incidents", status_code=303, headers={"Cache-Control": "no-store"})
        self._guard.sessions.open(response, facts)
        self._guard.sessions.clear(response, "enter")
        self._guard.sessions.clear(response, "wanted")
        return response

    async def leave(self, request: Request, session: Session, form: Form) -> Response:
        """Answer ``POST /sign-out``."""
        response = RedirectResponse(f"/sign-in?{urlencode({'out': '1'})}", status_code=303)
        self._guard.sessions.close(response)
        return response
