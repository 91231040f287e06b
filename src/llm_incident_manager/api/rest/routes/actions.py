"""``/incidents/{id}/…``: the actions of specification §4.2, and what else people do to an incident (RES-01, RES-02)."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from llm_incident_manager.api.problems import problem_document
from llm_incident_manager.api.rest.answers import WRITES, answers, takes
from llm_incident_manager.api.rest.asking import Commanded, OnIncident, Responder, etag
from llm_incident_manager.api.rest.encode import answer
from llm_incident_manager.api.rest.models.incidents import (
    AssignGiven,
    BulkAnswer,
    BulkGiven,
    CommentGiven,
    Incident,
    LinkGiven,
    MergeGiven,
    Noted,
    PageGiven,
    ResolutionGiven,
    SnoozeGiven,
)
from llm_incident_manager.api.rest.route import ApiRoute
from llm_incident_manager.domain.incidents import decide
from llm_incident_manager.domain.incidents import incident as domain
from llm_incident_manager.domain.people import Target
from llm_incident_manager.domain.vocabulary import Action
from llm_incident_manager.engine.views.incident import incident_document
from llm_incident_manager.errors import FieldFault, IncidentManagerError, Invalid, NotFound

router = APIRouter(prefix="/api/v1/incidents", tags=["actions"], route_class=ApiRoute)

_DONE = answers(Incident, *WRITES, etag=True)
_SAYS = {
    Action.ACKNOWLEDGE: "Say that somebody has seen it",
    Action.START_WORK: "Start to work on it",
    Action.ESCALATE: "Escalate it to the next level now",
    Action.DE_ESCALATE: "Take it back from the level it was escalated to",
    Action.REOPEN: "Open it again",
    Action.CLOSE: "Close it for good",
}


def _acting(action: Action) -> Callable[[Commanded], Awaitable[Response]]:
    async def act(command: Commanded) -> Response:
        given = await command.asked.given(Noted)
        return _shown(
            await command.asked.port.respond.act(
                command.asked.caller, command.incident.id, action, note=given.note, if_match=command.if_match()
            )
        )

    return act


for each, summary in _SAYS.items():
    router.add_api_route(
        f"/{{id}}/{each.value}",
        _acting(each),
        methods=["POST"],
        summary=summary,
        operation_id=f"{each.name.lower()}_incident",
        description="409 `invalid_transition` names the `allowed_actions` where the status forbids it.",
        responses=_DONE,
        openapi_extra=takes(Noted, required=False),
    )


@router.post(
    "/bulk",
    summary="Do one action to many incidents",
    responses=answers(BulkAnswer, *WRITES),
    openapi_extra=takes(BulkGiven),
)
async def act_on_many(asked: Responder) -> Response:
    """Each incident is decided for itself; what is refused carries its problem."""
    given = await asked.given(BulkGiven)
    found = await asked.port.respond.bulk(asked.caller, given.ids, given.action)
    results = [_result(asked_id, each) for asked_id, each in zip(given.ids, found, strict=True)]
    done = sum(result["status"] == "done" for result in results)
    return answer({"results": results, "done": done, "refused": len(results) - done})


@router.post(
    "/{id}/resolve", summary="Resolve it", responses=_DONE, openapi_extra=takes(ResolutionGiven, required=False)
)
async def resolve_incident(
    command: Commanded,
    walk: Annotated[bool, Query(description="Take the legal steps before it too.")] = False,
) -> Response:
    """Resolve it, with root cause and notes where they are known."""
    given = await command.asked.given(ResolutionGiven)
    resolution = decide.ResolutionGiven(
        root_cause=given.root_cause,
        resolution_notes=given.resolution_notes or given.note,
        playbook_used=given.playbook_used,
    )
    return _shown(
        await command.asked.port.respond.resolve(
            command.asked.caller, command.incident.id, resolution, walk=walk, if_match=command.if_match()
        )
    )


@router.post("/{id}/take", summary="Have it", responses=_DONE, openapi_extra=takes(Noted, required=False))
async def take_incident(command: Commanded) -> Response:
    """Make yourself the one who has it, wherever it stands; harmless when repeated, and it stops the ladder."""
    await command.asked.given(Noted)
    return _shown(
        await command.asked.port.respond.take(command.asked.caller, command.incident.id, if_match=command.if_match())
    )


@router.post("/{id}/assign", summary="Hand it over", responses=_DONE, openapi_extra=takes(AssignGiven))
async def assign_incident(command: Commanded) -> Response:
    """Hand it to a user, a team or both."""
    given = await command.asked.given(AssignGiven)
    if given.user_id is None and given.team_id is None:
        raise Invalid("nobody is named", [FieldFault("user_id", "is missing; name a user_id, a team_id or both")])
    return _shown(
        await command.asked.port.respond.assign(
            command.asked.caller,
            command.incident.id,
            user_id=given.user_id,
            team_id=given.team_id,
            if_match=command.if_match(),
        )
    )


@router.post("/{id}/comments", summary="Write something down", responses=_DONE, openapi_extra=takes(CommentGiven))
async def comment_on_incident(command: Commanded) -> Response:
    """Add a comment to the timeline."""
    given = await command.asked.given(CommentGiven)
    command.if_match()
    return _shown(await command.asked.port.respond.comment(command.asked.caller, command.incident.id, given.text))


@router.post("/{id}/links", summary="Link it to another one", responses=_DONE, openapi_extra=takes(LinkGiven))
async def link_incident(command: Commanded) -> Response:
    """Link two incidents, both ways."""
    given = await command.asked.given(LinkGiven)
    await _must_exist(command, "incident_id", given.incident_id)
    return _shown(
        await command.asked.port.respond.link(command.asked.caller, command.incident.id, given.incident_id, given.kind)
    )


@router.post("/{id}/merge", summary="Merge it into another one", responses=_DONE, openapi_extra=takes(MergeGiven))
async def merge_incident(command: Commanded) -> Response:
    """Make it a duplicate of another incident and resolve it; the merged incident is returned."""
    given = await command.asked.given(MergeGiven)
    await _must_exist(command, "into", given.into)
    return _shown(await command.asked.port.respond.merge(command.asked.caller, command.incident.id, given.into))


@router.post("/{id}/snooze", summary="Hold the ladder", responses=_DONE, openapi_extra=takes(SnoozeGiven))
async def snooze_incident(command: Commanded) -> Response:
    """Nobody is paged by itself until then; `null` lets the ladder go on."""
    given = await command.asked.given(SnoozeGiven)
    return _shown(await command.asked.port.respond.snooze(command.asked.caller, command.incident.id, given.until))


@router.post("/{id}/page", summary="Page people now", responses=_DONE, openapi_extra=takes(PageGiven))
async def page_people(command: Commanded) -> Response:
    """Page these people beside the ladder; 422 where none of them can be told."""
    given = await command.asked.given(PageGiven)
    targets = [Target(type=target.type, id=target.id) for target in given.targets]
    return _shown(
        await command.asked.port.respond.page(
            command.asked.caller, command.incident.id, targets, given.channels, given.note
        )
    )


async def _must_exist(command: OnIncident, field: str, incident_id: str) -> None:
    """What a body names and does not exist is wrong input, not a missing page."""
    try:
        await command.asked.port.query.find(command.reader, incident_id)
    except NotFound:
        raise Invalid(
            f"there is no incident {incident_id}", [FieldFault(field, f"is {incident_id}; there is no such incident")]
        ) from None


def _shown(incident: domain.Incident) -> Response:
    return answer(incident_document(incident), headers=etag(incident.revision))


def _result(asked_id: str, found: domain.Incident | Exception) -> dict[str, Any]:
    if isinstance(found, domain.Incident):
        return {"id": asked_id, "status": "done", "incident": incident_document(found), "error": None}
    if not isinstance(found, IncidentManagerError):
        raise found
    return {"id": asked_id, "status": "refused", "incident": None, "error": problem_document(found)}
