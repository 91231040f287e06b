"""``/sources/{id}/test``, what a source would make of a request; ``/source_traffic``, what sources sent."""

from fastapi import APIRouter, Response

from llm_incident_manager.api.rest.answers import LISTS, WRITES, answers
from llm_incident_manager.api.rest.asking import Id, Reader, require_plain, whole_body
from llm_incident_manager.api.rest.encode import answer
from llm_incident_manager.api.rest.models.operations import SourceTest, SourceTraffic
from llm_incident_manager.api.rest.route import ApiRoute
from llm_incident_manager.engine.preview_event import PreviewEvent
from llm_incident_manager.engine.source_acts import Act
from llm_incident_manager.sources.receive import choose, item_of, translated
from llm_incident_manager.sources.spec import SourceRequest

router = APIRouter(prefix="/api/v1", route_class=ApiRoute)
_HIDDEN = frozenset({"authorization", "x-api-key", "cookie"})


@router.get(
    "/source_traffic",
    tags=["sources"],
    summary="What sources sent, and what was refused",
    responses=answers(SourceTraffic, *LISTS),
)
async def source_traffic(asked: Reader) -> Response:
    """Return, for each source, what this node took in and refused since it started, and which is limited now."""
    return answer(asked.port.intake.traffic.document(asked.caller))


@router.post(
    "/sources/{id}/test",
    tags=["sources"],
    summary="What would a source make of this?",
    responses=answers(SourceTest, *WRITES),
    openapi_extra={"requestBody": {"required": False, "content": {"application/json": {"schema": {}}}}},
)
async def test_source(asked: Reader, id: Id) -> Response:
    """Return the events of a request, their severity with its reason, and the incident each would join.

    The body is what the tool sends; signature and network are not looked at.
    """
    port, request = asked.port, asked.request
    sources = port.settings(asked.caller.tenant).sources
    chosen = choose(request.app.state.sources, sources, require_plain(id), asked.caller)
    found = SourceRequest(
        source=chosen.source,
        body=await whole_body(request),
        received_at=port.clock.now(),
        headers={name: value for name, value in request.headers.items() if name not in _HIDDEN},
    )
    steps = translated(chosen, found).steps
    items = [item_of(step) for step in steps if not isinstance(step, Act)]
    events = await PreviewEvent(port.store, port.settings, port.clock).of(asked.caller, items)
    acts = [
        {"kind": step.kind.value, "dedup_key": step.dedup_key, "incident_id": step.incident_id, "text": step.text}
        for step in steps
        if isinstance(step, Act)
    ]
    return answer({"source": chosen.source, "plugin": chosen.spec.name, "events": events, "acts": acts})
