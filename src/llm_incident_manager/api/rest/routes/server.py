"""Sign-in links, the config file, the audit's export: what the command line asks of the server."""

from collections.abc import AsyncIterator
from datetime import timedelta

from fastapi import APIRouter, Response
from starlette.responses import StreamingResponse

from llm_incident_manager.api.rest.answers import WRITES, answers, refusals
from llm_incident_manager.api.rest.asking import Admin, Asking, Id, Reader, require_plain
from llm_incident_manager.api.rest.encode import answer
from llm_incident_manager.api.rest.models import server as models
from llm_incident_manager.api.rest.route import ApiRoute
from llm_incident_manager.domain.vocabulary import Scope
from llm_incident_manager.engine.views.instants import iso
from llm_incident_manager.errors import Forbidden

router = APIRouter(prefix="/api/v1", route_class=ApiRoute)
LINK_SECONDS = 3600


@router.post(
    "/users/{id}/sign_in_links",
    tags=["users"],
    summary="Make a personal sign-in link",
    status_code=201,
    responses=answers(models.SignInLink, *WRITES, status=201),
)
async def make_sign_in_link(asked: Admin, id: Id) -> Response:
    """Return a link that signs this person in, once, within an hour, so that every change has a human actor."""
    token = await asked.port.links.create(asked.caller, require_plain(id), ttl_seconds=LINK_SECONDS)
    expires = asked.port.clock.now() + timedelta(seconds=LINK_SECONDS)
    return answer({"url": f"{asked.port.public_url}/sign-in/{token}", "expires_at": iso(expires)}, 201)


@router.get(
    "/config/diff",
    tags=["config"],
    summary="What the config file would change",
    responses=answers(models.ConfigChanges, 401, 403, 404, 409, 422, 503),
)
async def config_diff(asked: Admin) -> Response:
    """Return what a reload would change; nothing is changed."""
    require_owner(asked)
    return answer(await asked.port.config_file.differences())


@router.post(
    "/config/reload",
    tags=["config"],
    summary="Apply the config file again",
    responses=answers(models.ConfigChanges, 401, 403, 404, 409, 422, 503),
)
async def config_reload(asked: Admin) -> Response:
    """Read the file again, check it whole, and apply it; a faulty file changes nothing."""
    require_owner(asked)
    return answer(await asked.port.config_file.reload())


@router.get(
    "/audit/export",
    tags=["audit"],
    summary="Export the audit trail",
    response_class=StreamingResponse,
    responses={
        200: {"description": "One JSON document a line.", "content": {"application/x-ndjson": {}}},
        **refusals(401, 403, 404, 422, 503),
    },
)
async def export_audit(asked: Reader) -> Response:
    """Stream every chain and checkpoint of the tenant, to be verified offline with `lim audit verify --against`."""
    return StreamingResponse(_lines(asked), media_type="application/x-ndjson")


async def _lines(asked: Asking) -> AsyncIterator[str]:
    async for line in asked.port.audit.export(asked.caller):
        yield line if line.endswith("\n") else line + "\n"


def require_owner(asked: Asking) -> None:
    """The file is the server's: a platform key, or an administrator of tenant ``default``, may reload it."""
    caller = asked.caller
    if not caller.platform and not (caller.tenant == "default" and Scope.ADMIN in caller.scopes):
        raise Forbidden("only a platform key, or an administrator of tenant default, may do this")
