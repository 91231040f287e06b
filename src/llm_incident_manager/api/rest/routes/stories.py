"""What is read about an incident: its timeline, events, pages, relatives, and why it is as it is (AUD-02, NTF-03)."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response

from llm_incident_manager.api.filters import span
from llm_incident_manager.api.rest.answers import LISTS, READS, answers
from llm_incident_manager.api.rest.asking import Id, Reader, require_plain
from llm_incident_manager.api.rest.encode import answer
from llm_incident_manager.api.rest.lists import DEFAULT_LIMIT, Cursor, End, Limit, Start
from llm_incident_manager.api.rest.models.stories import (
    Events,
    Explanation,
    IncidentFigures,
    Notification,
    Notifications,
    Related,
    Timeline,
)
from llm_incident_manager.api.rest.route import ApiRoute

router = APIRouter(prefix="/api/v1", tags=["reading"], route_class=ApiRoute)

Grouping = Literal["severity", "category", "source", "environment", "status", "assigned_team", "assigned_to", "day"]


@router.get("/incidents/{id}/timeline", summary="Its story", responses=answers(Timeline, *LISTS))
async def read_timeline(
    asked: Reader,
    id: Id,
    sort: Annotated[Literal["timestamp", "-timestamp"], Query(description="Oldest or newest first.")] = "timestamp",
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> Response:
    """Return the log of the incident (specification §5.4)."""
    newest_first = sort.startswith("-")
    return answer(
        await asked.port.query.timeline(
            asked.caller, require_plain(id), limit=limit, cursor=cursor, newest_first=newest_first
        )
    )


@router.get("/incidents/{id}/events", summary="Its events", responses=answers(Events, *LISTS))
async def read_events(asked: Reader, id: Id, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None) -> Response:
    """Return the events whose payload is kept, newest first."""
    return answer(
        await asked.port.query.events(asked.caller, require_plain(id), limit=limit, cursor=cursor, reveal=True)
    )


@router.get("/incidents/{id}/notifications", summary="Who was told", responses=answers(Notifications, *LISTS))
async def read_notifications(asked: Reader, id: Id, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None) -> Response:
    """Return the page ledger of the incident, oldest first."""
    return answer(await asked.port.query.notifications(asked.caller, require_plain(id), limit=limit, cursor=cursor))


@router.get("/incidents/{id}/related", summary="Its relatives", responses=answers(Related, *READS))
async def read_related(asked: Reader, id: Id) -> Response:
    """Return the linked incidents, each with the kind of the bond and its reason."""
    return answer(await asked.port.query.related(asked.caller, require_plain(id)))


@router.get("/incidents/{id}/explanation", summary="Why", responses=answers(Explanation, *READS))
async def read_explanation(asked: Reader, id: Id) -> Response:
    """Return why this severity, this grouping and these people."""
    return answer(await asked.port.query.explanation(asked.caller, require_plain(id)))


@router.get("/notifications/{id}", summary="One notification", responses=answers(Notification, *READS))
async def read_notification(asked: Reader, id: Id) -> Response:
    """Return where one notification stands."""
    return answer(await asked.port.query.notification(asked.caller, require_plain(id)))


@router.get("/metrics/incidents", summary="Figures over incidents", responses=answers(IncidentFigures, *READS))
async def read_figures(
    asked: Reader,
    start: Start = None,
    end: End = None,
    group_by: Annotated[list[Grouping] | None, Query(description="Several make combined groups.")] = None,
) -> Response:
    """Return times to detect, acknowledge and resolve, and SLA compliance, by group (ANA-01)."""
    since, until = span(start, end)
    return answer(
        await asked.port.report.incident_metrics(asked.caller, start=since, end=until, group_by=group_by or ())
    )
