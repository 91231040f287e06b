"""``/health /ready /metrics``: is it alive, can it accept, what did it do (REL-05, ANA-02)."""

from fastapi import APIRouter, Request, Response

from llm_incident_manager.api.identity import from_loopback, identified
from llm_incident_manager.api.rest.answers import answers, refusals
from llm_incident_manager.api.rest.encode import answer
from llm_incident_manager.api.rest.metrics import MEDIA_TYPE, Machine, exposition
from llm_incident_manager.api.rest.models.operations import Health, Ready
from llm_incident_manager.api.rest.port import RestPort
from llm_incident_manager.domain.vocabulary import Scope

router = APIRouter(tags=["condition"])


@router.get("/health", summary="Is it alive?", responses=answers(Health), openapi_extra={"security": []})
async def health(request: Request) -> Response:
    """Answer as long as the process lives; nothing else is looked at."""
    port: RestPort = request.app.state.port
    return answer({"status": "ok", "version": port.version})


@router.get(
    "/ready",
    summary="Can it accept durably?",
    responses={**answers(Ready), 503: {"model": Ready, "description": "It cannot; `reason` says why."}},
    openapi_extra={"security": []},
)
async def ready(request: Request) -> Response:
    """Answer 200 while what is accepted here survives; `degraded` names what else is away."""
    port: RestPort = request.app.state.port
    found = port.readiness()
    told: dict[str, object] = {"status": "ready" if found.ready else "not_ready", "degraded": list(found.degraded)}
    if found.reason:
        told["reason"] = found.reason
    return answer(told, 200 if found.ready else 503, None if found.ready else {"Retry-After": "5"})


@router.get(
    "/metrics",
    summary="What it did, for Prometheus",
    response_class=Response,
    responses={
        200: {"description": "Text format 0.0.4.", "content": {"text/plain": {"schema": {"type": "string"}}}},
        **refusals(401, 403, 404, 503),
    },
    openapi_extra={"security": [{}, {"bearer": []}, {"header": []}]},
)
async def metrics(request: Request) -> Response:
    """Return every metric; no key is needed from this machine itself, else one with the scope `read`."""
    port: RestPort = request.app.state.port
    if not from_loopback(request.scope):
        caller = identified(port, request.scope)
        caller.require(Scope.READ)
    await port.report.refresh_totals()
    machine: Machine = request.app.state.machine
    machine.look(port.telemetry)
    return Response(exposition(port.telemetry.snapshot()), media_type=MEDIA_TYPE)
