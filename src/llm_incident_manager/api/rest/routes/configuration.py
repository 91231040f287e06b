"""``/users /teams /routes /escalation_policies /templates /schedules /sources``: documents, alike for every kind."""

from enum import Enum
from typing import Annotated, Any
from urllib.parse import quote

import msgspec
from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel

from llm_incident_manager.api.rest.answers import LISTS, READS, WRITES, answers, refusals, takes
from llm_incident_manager.api.rest.asking import (
    Asking,
    Id,
    Reader,
    Responder,
    as_reader,
    asking,
    etag,
    expected_version,
    require_plain,
)
from llm_incident_manager.api.rest.encode import answer
from llm_incident_manager.api.rest.lists import DEFAULT_LIMIT, Cursor, Limit, page
from llm_incident_manager.api.rest.models.configuration import (
    Configured,
    PolicyDocument,
    RouteDocument,
    SourceDocument,
    TeamDocument,
    TemplateDocument,
    UserDocument,
    page_model,
)
from llm_incident_manager.api.rest.models.oncall import OverrideDocument, ScheduleDocument, SwapDocument
from llm_incident_manager.api.rest.models.operations import RouteTest, TestPage
from llm_incident_manager.api.rest.route import ApiRoute
from llm_incident_manager.domain.vocabulary import Scope

router = APIRouter(prefix="/api/v1", route_class=ApiRoute)


class DocumentKind(msgspec.Struct, frozen=True):
    """One kind of document: its path, what one and many are called, and its schema."""

    plural: str
    one: str
    many: str
    model: type[BaseModel]
    writer: Scope = Scope.ADMIN


KINDS = (
    DocumentKind("users", "a user", "users", UserDocument),
    DocumentKind("teams", "a team", "teams", TeamDocument),
    DocumentKind("routes", "a route", "routes", RouteDocument),
    DocumentKind("escalation_policies", "an escalation policy", "escalation policies", PolicyDocument),
    DocumentKind("templates", "a template", "templates", TemplateDocument),
    DocumentKind("schedules", "a schedule", "schedules", ScheduleDocument),
    DocumentKind("overrides", "an override", "overrides", OverrideDocument, Scope.RESPOND),
    DocumentKind("swaps", "a swap", "swaps", SwapDocument, Scope.RESPOND),
    DocumentKind("sources", "a source", "sources", SourceDocument),
)


@router.post(
    "/routes/test",
    tags=["routes"],
    summary="Where would an event go?",
    responses=answers(RouteTest, *WRITES),
    openapi_extra=takes("EventToRoute", required=False),
)
async def test_route(asked: Reader) -> Response:
    """Say which route, policy, people and channels an event would get, and why; nothing is sent."""
    return answer(await asked.port.query.test_route(asked.caller, await asked.document()))


@router.post(
    "/users/{id}/test_page",
    tags=["users"],
    summary="Page a user, as a test",
    responses=answers(TestPage, *WRITES),
)
async def page_user(
    asked: Responder,
    id: Id,
    channel: Annotated[str | None, Query(max_length=50, pattern=r"^[a-z_]+$", description="Only this one.")] = None,
) -> Response:
    """Page a user now by every contact, so that both sides know that it arrives."""
    return answer(await asked.port.pages.test_page(asked.caller, require_plain(id), channel))


def _offer(kind: DocumentKind) -> None:
    """Add the five calls of one kind."""
    path = f"/{kind.plural}"
    tags: list[str | Enum] = [kind.plural]
    writer = Depends(asking(kind.writer))
    shown: dict[int | str, Any] = {
        200: {"description": "One page.", "content": {"application/json": {"schema": page_model(kind.plural)}}},
        **refusals(*LISTS),
    }

    async def list_documents(asked: Reader, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None) -> Response:
        found = await asked.port.configure.page(asked.caller, kind.plural, limit, cursor)
        return answer(page(kind.plural, found))

    async def create_document(asked: Asking = writer) -> Response:
        document = await asked.port.configure.create(asked.caller, kind.plural, await asked.document())
        place = {"Location": f"/api/v1{path}/{quote(str(document['id']), safe='')}"}
        return answer(document, 201, etag(document["version"]) | place)

    async def read_document(asked: Reader, id: Id) -> Response:
        document = await asked.port.configure.get(asked.caller, kind.plural, require_plain(id))
        return answer(document, headers=etag(document["version"]))

    async def replace_document(id: Id, asked: Asking = writer) -> Response:
        standing = await asked.port.configure.get(as_reader(asked.caller), kind.plural, require_plain(id))
        wanted = expected_version(asked.request, standing["version"])
        document = await asked.port.configure.replace(asked.caller, kind.plural, id, await asked.document(), wanted)
        return answer(document, headers=etag(document["version"]))

    async def delete_document(id: Id, asked: Asking = writer) -> Response:
        standing = await asked.port.configure.get(as_reader(asked.caller), kind.plural, require_plain(id))
        wanted = expected_version(asked.request, standing["version"])
        await asked.port.configure.delete(asked.caller, kind.plural, id, wanted)
        return Response(status_code=204)

    one = kind.one.split(" ", 1)[1].replace(" ", "_")
    body = takes(kind.model)
    stored = answers(Configured, *WRITES, etag=True)
    created = answers(Configured, *WRITES, status=201, etag=True)
    gone: dict[int | str, Any] = {204: {"description": "It is gone."}, **refusals(401, 403, 404, 409, 412, 422, 503)}
    router.add_api_route(
        path, list_documents, methods=["GET"], tags=tags, summary=f"List {kind.many}",
        operation_id=f"list_{kind.plural}", responses=shown,
    )  # fmt: skip
    router.add_api_route(
        path, create_document, methods=["POST"], tags=tags, summary=f"Create {kind.one}", status_code=201,
        operation_id=f"create_{one}", responses=created, openapi_extra=body,
    )  # fmt: skip
    router.add_api_route(
        f"{path}/{{id}}", read_document, methods=["GET"], tags=tags, summary=f"Read {kind.one}",
        operation_id=f"read_{one}", responses=answers(Configured, *READS, etag=True),
    )  # fmt: skip
    router.add_api_route(
        f"{path}/{{id}}", replace_document, methods=["PUT"], tags=tags, summary=f"Replace {kind.one}",
        operation_id=f"replace_{one}", responses=stored, openapi_extra=body,
    )  # fmt: skip
    router.add_api_route(
        f"{path}/{{id}}", delete_document, methods=["DELETE"], tags=tags, summary=f"Delete {kind.one}",
        operation_id=f"delete_{one}", status_code=204, response_class=Response, responses=gone,
    )  # fmt: skip


for each in KINDS:
    _offer(each)
