"""``/silences``: which incidents page nobody for a while."""

from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Response

from llm_incident_manager.api.rest.answers import LISTS, READS, WRITES, answers, refusals, takes
from llm_incident_manager.api.rest.asking import (
    Id,
    Reader,
    Responder,
    as_reader,
    etag,
    expected_version,
    require_plain,
)
from llm_incident_manager.api.rest.encode import answer
from llm_incident_manager.api.rest.lists import DEFAULT_LIMIT, Cursor, Limit, page
from llm_incident_manager.api.rest.models.silences import Silenced, SilenceDocument, SilencePage
from llm_incident_manager.api.rest.route import ApiRoute

router = APIRouter(prefix="/api/v1/silences", route_class=ApiRoute, tags=["silences"])
_GONE: dict[int | str, Any] = {
    204: {"description": "It has ended and is gone."},
    **refusals(401, 403, 404, 409, 412, 422, 503),
}


@router.get("", summary="List silences", operation_id="list_silences", responses=answers(SilencePage, *LISTS))
async def list_silences(asked: Reader, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None) -> Response:
    """List pending, active and lately ended silences."""
    return answer(page("silences", await asked.port.silences.page(asked.caller, limit, cursor)))


@router.post(
    "",
    summary="Mute incidents for a while",
    operation_id="create_silence",
    status_code=201,
    responses=answers(Silenced, *WRITES, status=201, etag=True),
    openapi_extra=takes(SilenceDocument),
)
async def create_silence(asked: Responder) -> Response:
    """Mute what matches until `ends_at`: it is opened, counted and shown, but nobody is paged."""
    document = await asked.port.silences.create(asked.caller, await asked.document())
    place = {"Location": f"/api/v1/silences/{quote(str(document['id']), safe='')}"}
    return answer(document, 201, etag(document["version"]) | place)


@router.get("/{id}", summary="Read a silence", operation_id="read_silence", responses=answers(Silenced, *READS))
async def read_silence(asked: Reader, id: Id) -> Response:
    """Return one silence."""
    document = await asked.port.silences.get(asked.caller, require_plain(id))
    return answer(document, headers=etag(document["version"]))


@router.put(
    "/{id}",
    summary="Change a silence",
    operation_id="replace_silence",
    responses=answers(Silenced, *WRITES, etag=True),
    openapi_extra=takes(SilenceDocument),
)
async def replace_silence(asked: Responder, id: Id) -> Response:
    """Put another in its place; `starts_at` stays where it is left out."""
    standing = await asked.port.silences.get(as_reader(asked.caller), require_plain(id))
    wanted = expected_version(asked.request, standing["version"])
    document = await asked.port.silences.replace(asked.caller, id, await asked.document(), wanted)
    return answer(document, headers=etag(document["version"]))


@router.delete(
    "/{id}",
    summary="End a silence",
    operation_id="delete_silence",
    status_code=204,
    response_class=Response,
    responses=_GONE,
)
async def delete_silence(asked: Responder, id: Id) -> Response:
    """End it now and remove it: the ladders that it held start."""
    standing = await asked.port.silences.get(as_reader(asked.caller), require_plain(id))
    wanted = expected_version(asked.request, standing["version"])
    await asked.port.silences.delete(asked.caller, id, wanted)
    return Response(status_code=204)
