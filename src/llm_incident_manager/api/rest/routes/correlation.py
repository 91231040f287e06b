"""``POST /correlation/preview``: what cross-source keys would have folded; nothing changes."""

from fastapi import APIRouter, Response

from llm_incident_manager.api.rest.answers import WRITES, answers, takes
from llm_incident_manager.api.rest.asking import Reader
from llm_incident_manager.api.rest.encode import answer
from llm_incident_manager.api.rest.models.correlation import FoldsPreview
from llm_incident_manager.api.rest.route import ApiRoute
from llm_incident_manager.engine.preview_folds import PreviewFolds

router = APIRouter(prefix="/api/v1", route_class=ApiRoute)


@router.post(
    "/correlation/preview",
    tags=["correlation"],
    summary="What would cross-source keys fold?",
    responses=answers(FoldsPreview, *WRITES),
    openapi_extra=takes("FoldsToPreview", required=False),
)
async def preview_folds(asked: Reader) -> Response:
    """Group the incidents of the last hours as the keys say: those given, else those that are set. Nothing changes."""
    port = asked.port
    preview = PreviewFolds(port.store, port.settings, port.clock)
    return answer(await preview.of(asked.caller, await asked.document()))
