"""Acting from a page by its one-tap link, without signing in (NTF-05)."""

from starlette.requests import Request
from starlette.responses import Response

from llm_incident_manager.api.dashboard.forms import read_form
from llm_incident_manager.api.dashboard.guard import Forged, Guard
from llm_incident_manager.api.dashboard.session import from_own_page
from llm_incident_manager.api.identity import request_facts
from llm_incident_manager.domain.notifications.answers import Offer, PageAction, Pressed, Result, Said
from llm_incident_manager.errors import FieldFault, Invalid

_LONGEST_TOKEN = 300
_STATUS = {Result.UNKNOWN: 404, Result.REFUSED: 403, Result.EXPIRED: 410}


class ActPage:
    """Shows what a link is for, and does it when the button is pressed: programs that look at links change nothing."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard

    async def offer(self, request: Request) -> Response:
        """Answer ``GET /a/{token}``."""
        token = request.path_params["token"][:_LONGEST_TOKEN]
        offer = await self._guard.port.look_at_page(token)
        return self._answer(token, offer, None, 200 if offer is not None else 404)

    async def act(self, request: Request) -> Response:
        """Answer ``POST /a/{token}`` with what came of it."""
        token = request.path_params["token"][:_LONGEST_TOKEN]
        form = await read_form(request)
        if not from_own_page(request, self._guard.settings.public_url):
            raise Forged("The form did not come from the page behind your link. Nothing was changed. Open the link.")
        wanted = form.one("action")
        if wanted not in list(PageAction):
            raise Invalid("nothing was chosen", [FieldFault("action", f"is one of {', '.join(PageAction)}")])
        offer = await self._guard.port.look_at_page(token)
        person = form.one("person")
        if offer is not None and offer.people and not person:
            raise Invalid(
                "nobody was chosen", [FieldFault("person", "say who you are, so that others know who has it")]
            )
        pressed = Pressed(token=token, action=PageAction(wanted), person=person)
        said = await self._guard.port.press_page(pressed, request_facts(request.scope))
        return self._answer(token, offer, said, _STATUS.get(said.result, 200))

    def _answer(self, token: str, offer: Offer | None, said: Said | None, status: int) -> Response:
        context = {
            "token": token,
            "offer": offer,
            "said": said,
            "done": said is not None and said.result is Result.DONE,
        }
        return self._guard.renderer.page("act.html", None, context, status=status)
