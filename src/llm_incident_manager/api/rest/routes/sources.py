"""``/sources/{id}/test``, ``/source_traffic``, ``/polls``: what a source would make of it, sent, and was asked."""

from typing import Any

from fastapi import APIRouter, Response

from llm_incident_manager.api.rest.answers import LISTS, WRITES, answers
from llm_incident_manager.api.rest.asking import Id, Reader, require_plain, whole_body
from llm_incident_manager.api.rest.encode import answer
from llm_incident_manager.api.rest.models.operations import SourceTest, SourceTraffic
from llm_incident_manager.api.rest.models.polls import PollPage
from llm_incident_manager.api.rest.route import ApiRoute
from llm_incident_manager.engine.preview_event import PreviewEvent
from llm_incident_manager.engine.source_acts import Act
from llm_incident_manager.engine.views.poll import poll_document
from llm_incident_manager.sources.polled import polling_of
from llm_incident_manager.sources.receive import FALLBACK, choose, item_of, translated
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


@router.get(
    "/polls", tags=["sources"], summary="How do the sources do that are asked?", responses=answers(PollPage, *LISTS)
)
async def list_polls(asked: Reader) -> Response:
    """Return every source of mode `pull`: when it was asked, when it answered, what went wrong, and when it is next."""
    port, specs = asked.port, asked.request.app.state.sources
    tenant = asked.caller.tenant
    stored = {state.source: (state, at) for state, at in await port.store.read(tenant, lambda tx: tx.polls.all())}
    found: list[dict[str, Any]] = []
    for name, source in sorted(port.settings(tenant).sources.items()):
        if source.pull is None:
            continue
        spec = specs.get(name) or specs.get(source.plugin or FALLBACK)
        default = polling_of(spec).interval_seconds if spec is not None else None
        state, next_at = stored.get(name, (None, None))
        found.append(
            poll_document(source, state, next_at, plugin=spec.name if spec is not None else None, default=default)
        )
    return answer({"polls": found, "next_cursor": None, "total": len(found)})
