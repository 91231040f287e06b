"""``/encryption``: which keys encrypt members of events, and what older ones encrypted encrypted again (SEC-04)."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from llm_incident_manager.api.rest.answers import answers
from llm_incident_manager.api.rest.asking import Admin
from llm_incident_manager.api.rest.encode import answer
from llm_incident_manager.api.rest.models.server import EncryptionKeys, Resealed
from llm_incident_manager.api.rest.route import ApiRoute
from llm_incident_manager.api.rest.routes.server import require_owner

router = APIRouter(prefix="/api/v1", route_class=ApiRoute)


@router.get(
    "/encryption",
    tags=["config"],
    summary="Which keys encrypt",
    responses=answers(EncryptionKeys, 401, 403, 404, 422, 503),
)
async def encryption_keys(asked: Admin) -> Response:
    """Return the ids of the keys that this node has; the active one encrypts, all of them read."""
    require_owner(asked)
    return answer(asked.port.reseal.keys(asked.caller))


@router.post(
    "/encryption/rotate",
    tags=["config"],
    summary="Encrypt again with the active key",
    responses=answers(Resealed, 401, 403, 404, 409, 422, 503),
)
async def rotate_encryption(
    asked: Admin,
    cursor: Annotated[
        str | None, Query(max_length=2000, pattern=r"^[A-Za-z0-9_-]+$", description="`next_cursor` of the step before.")
    ] = None,
) -> Response:
    """Do one step: some hundred events or dead letters; repeat it with `next_cursor` until that is null."""
    require_owner(asked)
    return answer(await asked.port.reseal.step(asked.caller, cursor))
