"""The REST application: routers, the events' fast path before them, errors as problem documents, OpenAPI and docs."""

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, Response
from starlette.routing import Match, Route
from starlette.types import Receive, Scope, Send

from llm_incident_manager.api.problems import MethodNotAllowed, as_response, problem, problem_response
from llm_incident_manager.api.rest import openapi
from llm_incident_manager.api.rest.alertmanager import alertmanager_routes
from llm_incident_manager.api.rest.channel_doors import channel_door_routes
from llm_incident_manager.api.rest.docs_page import content_security_policy, docs_page
from llm_incident_manager.api.rest.doors import door_routes
from llm_incident_manager.api.rest.encode import encode
from llm_incident_manager.api.rest.events import PATH as EVENTS
from llm_incident_manager.api.rest.events import EventsDoor
from llm_incident_manager.api.rest.faults import faults_of
from llm_incident_manager.api.rest.idempotency import RememberedAnswers
from llm_incident_manager.api.rest.last_resort import LastResort
from llm_incident_manager.api.rest.metrics import Machine
from llm_incident_manager.api.rest.opsgenie import opsgenie_routes
from llm_incident_manager.api.rest.opsgenie_heartbeats import heartbeat_routes
from llm_incident_manager.api.rest.port import RestPort
from llm_incident_manager.api.rest.requests import RequestsCounted
from llm_incident_manager.api.rest.routes import (
    actions,
    condition,
    configuration,
    correlation,
    encryption,
    incidents,
    operations,
    schedules,
    server,
    silences,
    stories,
)
from llm_incident_manager.api.rest.routes import (
    sources as source_routes,
)
from llm_incident_manager.errors import IncidentManagerError, Invalid, NotFound
from llm_incident_manager.sources.registry import source_specs
from llm_incident_manager.sources.spec import SourceSpec

DOCS = "/api/docs"


class RestApp(FastAPI):
    """FastAPI, with ``POST /api/v1/events`` answered before anything else looks at the request."""

    events: EventsDoor
    written: bytes | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one connection."""
        if scope["type"] == "http" and scope["method"] == "POST" and scope["path"] == EVENTS:
            await self.events(scope, receive, send)
            return
        await super().__call__(scope, receive, send)

    def openapi(self) -> dict[str, Any]:
        """Return the OpenAPI document, made once."""
        if self.openapi_schema is None:
            self.openapi_schema = openapi.openapi_of(self, self.version)
        return self.openapi_schema


def rest_app(port: RestPort, *, data_folder: str = ".", sources: Mapping[str, SourceSpec] | None = None) -> RestApp:
    """Return the application; ``data_folder`` is the one whose disk the metrics show.

    ``sources`` are the plugins, by default those of the registry.
    """
    app = RestApp(
        title="LLM-Incident-Manager",
        version=port.version or "0",
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        exception_handlers={
            IncidentManagerError: _refused,
            RequestValidationError: _invalid,
            HTTPException: _not_here,
        },
    )
    app.state.port = port
    app.state.remembered = RememberedAnswers(port)
    app.state.machine = Machine(data_folder)
    app.state.sources = source_specs() if sources is None else sources
    app.events = EventsDoor(port)
    app.router.routes.append(Route(EVENTS, app.events, methods=["POST"]))
    # Before /incidents/{id}/…, because /incidents/bulk would be taken for an id.
    for routes in (
        server,
        schedules,
        actions,
        incidents,
        stories,
        configuration,
        silences,
        correlation,
        operations,
        condition,
        encryption,
        source_routes,
    ):
        app.include_router(routes.router)
    app.include_router(schedules.open_router)
    app.router.routes.extend([*opsgenie_routes(port), *heartbeat_routes(port)])
    app.router.routes.extend(door_routes(port, app.state.sources))
    app.router.routes.extend(alertmanager_routes(port))
    app.router.routes.extend(channel_door_routes(port))
    app.add_api_route(openapi.PATH, _openapi, methods=["GET"], include_in_schema=False)
    app.add_api_route(DOCS, _docs, methods=["GET"], include_in_schema=False)
    app.add_middleware(LastResort)
    app.add_middleware(RequestsCounted, port=port)
    return app


async def _openapi(request: Request) -> Response:
    app: RestApp = request.app
    if app.written is None:
        app.written = encode(app.openapi())
    return Response(app.written, media_type="application/json")


async def _docs(request: Request) -> Response:
    headers = {"Content-Security-Policy": content_security_policy(), "X-Content-Type-Options": "nosniff"}
    return HTMLResponse(docs_page(request.app.openapi(), openapi.PATH), headers=headers)


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, IncidentManagerError)
    return problem_response(error)


async def _invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    faults = faults_of(error.errors())
    first = faults[0]
    return problem_response(Invalid(f"{first.field} {first.message}", faults, code="invalid_parameter"))


async def _not_here(request: Request, error: Exception) -> Response:
    """Answer an unknown path, and a known one with the wrong method, as problems too."""
    assert isinstance(error, HTTPException)
    if error.status_code == 404:
        return problem_response(NotFound(f"there is nothing at this path; {DOCS} describes what there is"))
    if error.status_code == 405:
        allowed = ", ".join(sorted(_allowed(request)))
        refused = problem_response(MethodNotAllowed(f"{request.method} is not possible here; possible are {allowed}"))
        refused.headers["Allow"] = allowed
        return refused
    return as_response(problem(error.status_code, "refused", str(error.detail)), error.headers)


def _allowed(request: Request) -> set[str]:
    """Return every method that the path knows, over all its routes."""
    found: set[str] = set()
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
        scope = dict(request.scope) | {"method": method}
        if any(route.matches(scope)[0] is Match.FULL for route in request.app.router.routes):
            found.add(method)
    return found
