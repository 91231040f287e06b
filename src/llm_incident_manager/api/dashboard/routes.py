"""The dashboard's addresses: everything at the root that is not ``/api``, ``/health``, ``/ready`` or ``/metrics``."""

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from llm_incident_manager.api.dashboard.act_page import ActPage
from llm_incident_manager.api.dashboard.guard import Endpoint, Guard
from llm_incident_manager.api.dashboard.incident_list import IncidentList
from llm_incident_manager.api.dashboard.incident_page import IncidentPage
from llm_incident_manager.api.dashboard.oncall_page import OnCallPage
from llm_incident_manager.api.dashboard.port import DashboardPort
from llm_incident_manager.api.dashboard.render import Renderer
from llm_incident_manager.api.dashboard.settings import DashboardSettings
from llm_incident_manager.api.dashboard.sign_in import SignIn
from llm_incident_manager.api.dashboard.static_files import StaticFiles
from llm_incident_manager.api.dashboard.stream import Stream


def dashboard_routes(port: DashboardPort, settings: DashboardSettings) -> list[BaseRoute]:
    """Return the dashboard's routes, to be put into the application's own."""
    static = StaticFiles()
    guard = Guard(port, settings, Renderer(settings, static))
    incidents, incident, sign_in, stream = IncidentList(guard), IncidentPage(guard), SignIn(guard), Stream(guard)
    act_page = ActPage(guard)
    on_call = OnCallPage(guard)
    return [
        Route("/", guard.open_to_all(_to_incidents), methods=["GET"]),
        Route("/incidents", guard.page(incidents.show), methods=["GET"]),
        Route("/incidents/bulk", guard.post(incidents.act_on_several), methods=["POST"]),
        Route("/incidents/{id}", guard.page(incident.show), methods=["GET"]),
        Route("/incidents/{id}/row", guard.page(incidents.row), methods=["GET"]),
        Route("/incidents/{id}/{action}", guard.post(incident.act), methods=["POST"]),
        Route("/on-call", guard.page(on_call.show), methods=["GET"]),
        Route("/on-call/overrides", guard.post(on_call.override), methods=["POST"]),
        Route("/on-call/overrides/{id}/remove", guard.post(on_call.remove), methods=["POST"]),
        Route("/on-call/link", guard.post(on_call.share), methods=["POST"]),
        Route("/sign-in", guard.open_to_all(sign_in.explain), methods=["GET"]),
        Route("/sign-in/{token}", guard.open_to_all(sign_in.offer), methods=["GET"]),
        Route("/sign-in/{token}", guard.open_to_all(sign_in.enter), methods=["POST"]),
        Route("/a/{token}", guard.open_to_all(act_page.offer), methods=["GET"]),
        Route("/a/{token}", guard.open_to_all(act_page.act), methods=["POST"]),
        Route("/sign-out", guard.post(sign_in.leave), methods=["POST"]),
        Route("/stream", guard.open_to_all(stream.show), methods=["GET"]),
        Route("/favicon.ico", guard.open_to_all(_to_the_mark(static)), methods=["GET"]),
        Route("/static/{name}", guard.open_to_all(static.answer), methods=["GET"]),
    ]


def _to_the_mark(static: StaticFiles) -> Endpoint:
    """For pages that name no icon, such as the API's."""

    async def answer(request: Request) -> Response:
        return RedirectResponse(static.address("mark.svg"), status_code=307)

    return answer


async def _to_incidents(request: Request) -> Response:
    return RedirectResponse("/incidents", status_code=303)
