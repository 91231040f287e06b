"""``/api_keys /tenants /dead_letters /audit /imports``: what those who run the product do (SEC-02, REL-04, AUD-06)."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from llm_incident_manager.api.filters import span
from llm_incident_manager.api.rest.answers import LISTS, READS, WRITES, answers, refusals, takes
from llm_incident_manager.api.rest.asking import Admin, Id, Reader, require_plain
from llm_incident_manager.api.rest.encode import answer
from llm_incident_manager.api.rest.lists import DEFAULT_LIMIT, Cursor, End, Limit, Start, page, plain
from llm_incident_manager.api.rest.models import operations as models
from llm_incident_manager.api.rest.route import ApiRoute

router = APIRouter(prefix="/api/v1", route_class=ApiRoute)

_GONE: dict[int | str, Any] = {204: {"description": "It is gone."}, **refusals(401, 403, 404, 409, 422, 503)}


@router.get("/api_keys", tags=["keys"], summary="List API keys", responses=answers(models.ApiKeys, *LISTS))
async def list_keys(asked: Admin, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None) -> Response:
    """Return the tenant's keys without their secrets."""
    return answer(page("api_keys", await asked.port.keys.page(asked.caller, limit, cursor)))


@router.post(
    "/api_keys",
    tags=["keys"],
    summary="Create an API key",
    status_code=201,
    responses=answers(models.ApiKey, *WRITES, status=201),
    openapi_extra=takes(models.KeyGiven),
)
async def create_key(asked: Admin) -> Response:
    """Return a new key; its `key` is shown this once."""
    given = await asked.given(models.KeyGiven)
    document = await asked.port.keys.create(asked.caller, given.model_dump(mode="json", exclude_unset=True))
    return answer(document, 201, {"Location": f"/api/v1/api_keys/{document['id']}"})


@router.get("/api_keys/{id}", tags=["keys"], summary="Read an API key", responses=answers(models.ApiKey, *READS))
async def read_key(asked: Admin, id: Id) -> Response:
    """Return one key without its secret, with its last use."""
    return answer(await asked.port.keys.get(asked.caller, require_plain(id)))


@router.post(
    "/api_keys/{id}/rotate",
    tags=["keys"],
    summary="Rotate an API key",
    status_code=201,
    responses=answers(models.ApiKey, *WRITES, status=201),
    openapi_extra=takes(models.RotateGiven, required=False),
)
async def rotate_key(asked: Admin, id: Id) -> Response:
    """Return the successor; the old key goes on for the overlap."""
    await asked.port.keys.get(asked.caller, require_plain(id))
    given = await asked.given(models.RotateGiven)
    return answer(await asked.port.keys.rotate(asked.caller, id, given.overlap_seconds), 201)


@router.delete(
    "/api_keys/{id}",
    tags=["keys"],
    summary="Revoke an API key",
    status_code=204,
    response_class=Response,
    responses=_GONE,
)
async def revoke_key(asked: Admin, id: Id) -> Response:
    """Revoke it; no node takes it for longer than 5 s."""
    await asked.port.keys.revoke(asked.caller, require_plain(id))
    return Response(status_code=204)


@router.get("/tenants", tags=["tenants"], summary="List tenants", responses=answers(models.Tenants, *LISTS))
async def list_tenants(asked: Admin, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None) -> Response:
    """Return every tenant to a platform key."""
    return answer(page("tenants", await asked.port.keys.tenants(asked.caller, limit, cursor)))


@router.post(
    "/tenants",
    tags=["tenants"],
    summary="Create a tenant",
    status_code=201,
    responses=answers(models.Tenant, *WRITES, status=201),
    openapi_extra=takes(models.TenantGiven),
)
async def create_tenant(asked: Admin) -> Response:
    """Create a tenant; only platform keys may."""
    given = await asked.given(models.TenantGiven)
    return answer(
        await asked.port.keys.create_tenant(asked.caller, given.model_dump(mode="json", exclude_none=True)), 201
    )


@router.get(
    "/dead_letters", tags=["dead letters"], summary="List dead letters", responses=answers(models.DeadLetters, *LISTS)
)
async def list_dead_letters(asked: Reader, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None) -> Response:
    """Return what could not be processed, with its faults."""
    return answer(page("dead_letters", await asked.port.dead_letters.page(asked.caller, limit, cursor)))


@router.get(
    "/dead_letters/{id}",
    tags=["dead letters"],
    summary="Read a dead letter",
    responses=answers(models.DeadLetter, *READS),
)
async def read_dead_letter(asked: Reader, id: Id) -> Response:
    """Return one dead letter with its body, its faults, and what can be done about it."""
    return answer(await asked.port.dead_letters.get(asked.caller, require_plain(id)))


@router.post(
    "/dead_letters/{id}/replay",
    tags=["dead letters"],
    summary="Take it in again",
    responses=answers(models.Replayed, *WRITES),
)
async def replay_dead_letter(asked: Admin, id: Id) -> Response:
    """Take the event in again; it stays where it still is wrong."""
    return answer(await asked.port.dead_letters.replay(asked.caller, require_plain(id)))


@router.delete(
    "/dead_letters/{id}",
    tags=["dead letters"],
    summary="Discard it",
    status_code=204,
    response_class=Response,
    responses=_GONE,
)
async def discard_dead_letter(asked: Admin, id: Id) -> Response:
    """Discard it for good."""
    await asked.port.dead_letters.discard(asked.caller, require_plain(id))
    return Response(status_code=204)


@router.get("/audit", tags=["audit"], summary="Read the audit trail", responses=answers(models.AuditEntries, *LISTS))
async def read_audit(
    asked: Reader,
    start: Start = None,
    end: End = None,
    actor: Annotated[str | None, Query(max_length=200, description="Who did it.")] = None,
    incident: Annotated[str | None, Query(max_length=200, description="An incident's id.")] = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> Response:
    """Return who did what, newest first: to incidents, keys, policies and settings."""
    plain(actor=actor, incident=incident)
    since, until = span(start, end)
    found = await asked.port.audit.page(
        asked.caller, start=since, end=until, actor=actor, incident=incident, limit=limit, cursor=cursor
    )
    return answer(page("audit", found))


@router.get(
    "/audit/verify", tags=["audit"], summary="Verify the audit trail", responses=answers(models.Verification, *READS)
)
async def verify_audit(
    asked: Reader,
    since: Start = None,
    limit: Annotated[int | None, Query(ge=1, le=1_000_000_000, description="Stop after so many links.")] = None,
) -> Response:
    """Recompute the hash chains over the stored bytes; `since` leaves out incidents that did not change since then."""
    changed_since, _ = span(since, None)
    return answer(await asked.port.audit.verify(asked.caller, since=changed_since, limit=limit))


@router.post(
    "/imports/statuspage",
    tags=["imports"],
    summary="Import Statuspage history",
    responses=answers(models.ImportCounts, *WRITES),
    openapi_extra=takes("StatuspageHistory"),
)
async def import_statuspage(asked: Admin) -> Response:
    """Import incidents that are over, as they went; nobody is paged for the past, and twice changes nothing."""
    document = await asked.document(most=asked.port.limits.import_bytes)
    return answer(await asked.port.imports.statuspage(asked.caller, document))
