"""``/incidents``: the list, opening by hand, one incident, editing it."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from llm_incident_manager.api.filters import pairs, span
from llm_incident_manager.api.rest.answers import LISTS, READS, WRITES, answers, takes
from llm_incident_manager.api.rest.asking import Commanded, Id, Reader, Responder, etag, require_plain
from llm_incident_manager.api.rest.encode import answer
from llm_incident_manager.api.rest.lists import DEFAULT_LIMIT, Cursor, End, Limit, Start, Words, plain
from llm_incident_manager.api.rest.models.incidents import Incident, IncidentEdited, IncidentGiven
from llm_incident_manager.api.rest.models.stories import Incidents
from llm_incident_manager.api.rest.route import ApiRoute
from llm_incident_manager.domain.events.event import Resource
from llm_incident_manager.domain.vocabulary import Category, Environment, Severity, Status
from llm_incident_manager.engine import open_by_hand
from llm_incident_manager.engine.rows import IncidentFilter
from llm_incident_manager.engine.views.incident import incident_document

router = APIRouter(prefix="/api/v1/incidents", tags=["incidents"], route_class=ApiRoute)

SORTS = r"^-?(created_at|updated_at|last_event_at|severity)$"


@router.get("", summary="List incidents", responses=answers(Incidents, *LISTS))
async def list_incidents(
    asked: Reader,
    start: Start = None,
    end: End = None,
    severity: Annotated[list[Severity] | None, Query()] = None,
    status: Annotated[list[Status] | None, Query()] = None,
    category: Annotated[list[Category] | None, Query()] = None,
    source: Words = None,
    environment: Annotated[list[Environment] | None, Query()] = None,
    assigned_to: Words = None,
    assigned_team: Words = None,
    tag: Annotated[
        list[Annotated[str, Query(pattern=r"^[^\x00:]+:[^\x00]+$")]] | None, Query(description="`key:value`")
    ] = None,
    q: Annotated[str | None, Query(max_length=200, description="Text in title, id, source or resource.")] = None,
    sort: Annotated[str, Query(pattern=SORTS, description="`-` turns it around.")] = "-created_at",
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> Response:
    """Return the tenant's incidents; values of one filter are ORed, filters are ANDed, bounds are on `created_at`."""
    plain(source=source, assigned_to=assigned_to, assigned_team=assigned_team, q=q)
    since, until = span(start, end)
    wanted = IncidentFilter(
        start=since,
        end=until,
        severity=tuple(severity or ()),
        status=tuple(status or ()),
        category=tuple(category or ()),
        source=tuple(source or ()),
        environment=tuple(environment or ()),
        assigned_to=tuple(assigned_to or ()),
        assigned_team=tuple(assigned_team or ()),
        tags=pairs(tag),
        text=(q or "").strip() or None,
        sort=sort,
        limit=limit,
        cursor=cursor,
    )
    return answer(await asked.port.query.incidents(asked.caller, wanted))


@router.post(
    "",
    summary="Open an incident by hand",
    status_code=201,
    responses=answers(Incident, *WRITES, status=201, etag=True),
    openapi_extra=takes(IncidentGiven),
)
async def open_incident(asked: Responder) -> Response:
    """Open an incident; it is routed and pages people like one that an event opened."""
    given = await asked.given(IncidentGiven)
    named = given.resource
    resource = (
        Resource(type=named.type, id=named.id, name=named.name, metadata=named.metadata)
        if named is not None
        else open_by_hand.NOTHING_NAMED
    )
    plain_given = open_by_hand.IncidentGiven(
        title=given.title,
        severity=given.severity,
        category=given.category,
        description=given.description,
        impact=given.impact,
        resource=resource,
        environment=given.environment,
        tags=given.tags,
        labels=tuple(given.labels),
        metadata=given.metadata,
        assigned_to=given.assigned_to,
        assigned_team=given.assigned_team,
    )
    incident = await asked.port.open_by_hand.open(asked.caller, plain_given)
    headers = etag(incident.revision) | {"Location": f"/api/v1/incidents/{incident.id}"}
    return answer(incident_document(incident), 201, headers)


@router.get("/{id}", summary="Read an incident", responses=answers(Incident, *READS, etag=True))
async def read_incident(asked: Reader, id: Id) -> Response:
    """Return one incident; a reserved id waits up to 2 s for its triage, an alias answers with the winner."""
    document = await asked.port.query.incident(asked.caller, require_plain(id))
    return answer(document, headers=etag(document["version"]))


@router.patch(
    "/{id}",
    summary="Edit an incident",
    responses=answers(Incident, *WRITES, etag=True),
    openapi_extra=takes(IncidentEdited),
)
async def edit_incident(command: Commanded) -> Response:
    """Set what the body names; the rest stays."""
    given = await command.asked.given(IncidentEdited)
    fields = given.model_dump(mode="json", exclude_unset=True)
    incident = await command.asked.port.respond.edit(
        command.asked.caller, command.incident.id, fields, if_match=command.if_match()
    )
    return answer(incident_document(incident), headers=etag(incident.revision))
