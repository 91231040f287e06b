"""``/schedules/{id}/…``: who is on call, shift by shift, gaps and overlaps; and calendars, some by secret link."""

import hashlib
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response

from llm_incident_manager.api.rest.answers import READS, WRITES, answers, refusals
from llm_incident_manager.api.rest.asking import Admin, Id, Reader, Responder, require_plain
from llm_incident_manager.api.rest.encode import answer
from llm_incident_manager.api.rest.models import oncall as models
from llm_incident_manager.api.rest.port import RestPort
from llm_incident_manager.api.rest.route import ApiRoute
from llm_incident_manager.engine.documents.kinds import Kind
from llm_incident_manager.errors import FieldFault, Invalid

router = APIRouter(prefix="/api/v1", route_class=ApiRoute)
open_router = APIRouter()
_CALENDAR: dict[int | str, Any] = {200: {"description": "An iCalendar file.", "content": {"text/calendar": {}}}}
_GONE: dict[int | str, Any] = {204: {"description": "The link leads nowhere any more."}}

At = Annotated[str | None, Query(max_length=40, description="An instant with its zone; now without.")]
Start = Annotated[str | None, Query(max_length=40, description="From this instant with its zone on.")]
End = Annotated[str | None, Query(max_length=40, description="Before this instant with its zone.")]


@router.get(
    "/schedules/{id}/on_call",
    tags=["schedules"],
    summary="Who is on call",
    responses=answers(models.OnCallAnswer, *READS),
)
async def who_is_on_call(asked: Reader, id: Id, at: At = None) -> Response:
    """Return who is on call at an instant, until when, and who is next."""
    return answer(asked.port.shifts.on_call(asked.caller, require_plain(id), _instant("at", at)))


@router.get(
    "/schedules/{id}/shifts",
    tags=["schedules"],
    summary="Who is on call, shift by shift",
    responses=answers(models.ShiftsAnswer, *READS),
)
async def list_shifts(asked: Reader, id: Id, start: Start = None, end: End = None) -> Response:
    """Return who follows whom; a month from now where no span is given."""
    found = asked.port.shifts.shifts(asked.caller, require_plain(id), _instant("start", start), _instant("end", end))
    return answer(found)


@router.get(
    "/schedules/{id}/coverage",
    tags=["schedules"],
    summary="Gaps and overlaps",
    responses=answers(models.CoverageAnswer, *READS),
)
async def read_coverage(asked: Reader, id: Id, start: Start = None, end: End = None) -> Response:
    """Return when nobody is on call and when several are, each with its reason; twelve months without a span."""
    found = asked.port.shifts.coverage(asked.caller, require_plain(id), _instant("start", start), _instant("end", end))
    return answer(found)


@router.get(
    "/schedules/{id}.ics",
    tags=["schedules"],
    summary="A schedule as a calendar",
    response_class=Response,
    responses={**_CALENDAR, **refusals(*READS)},
)
async def read_calendar(
    asked: Reader,
    id: Id,
    start: Start = None,
    end: End = None,
    view: Annotated[Literal["shifts", "rules"], Query(description="The shifts, or the rules they come of.")] = "shifts",
) -> Response:
    """Return the schedule as iCalendar, a month back and a year ahead where no span is given."""
    span = _instant("start", start), _instant("end", end)
    found = asked.port.shifts.calendar(asked.caller, require_plain(id), *span, rules=view == "rules")
    return _calendar(asked.request, found)


@router.get(
    "/schedules/{id}/calendars",
    tags=["schedules"],
    summary="The calendars it reads",
    responses=answers(models.CalendarStates, *READS),
)
async def read_calendar_states(asked: Reader, id: Id) -> Response:
    """Return how each calendar is that a layer of the schedule comes from."""
    return answer({"calendars": asked.port.calendar_feeds.states(asked.caller, require_plain(id))})


@router.post(
    "/imports/schedules",
    tags=["imports"],
    summary="Bring schedules in",
    responses=answers(models.ImportedSchedules, *WRITES),
    openapi_extra={"requestBody": {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}}},
)
async def import_schedules(
    asked: Admin,
    tool: Annotated[Literal["opsgenie", "pagerduty", "grafana-oncall"], Query(alias="from")],
    dry_run: Annotated[bool, Query(description="Translate and compare; store nothing.")] = False,
) -> Response:
    """Take what the other tool's API answered, and compare shift by shift; a schedule with faults is left out."""
    document = await asked.document(most=asked.port.limits.import_bytes)
    return answer(await asked.port.import_schedules.run(asked.caller, tool, document, dry_run=dry_run))


def _offer_link(kind: Kind, one: str) -> None:
    """Add the calls that make and end the secret link to a calendar."""

    async def make_link(asked: Responder, id: Id) -> Response:
        token = await asked.port.shifts.make_link(asked.caller, kind.value, require_plain(id))
        return answer({"url": f"{asked.port.public_url}/calendars/{token}.ics"}, 201)

    async def end_link(asked: Responder, id: Id) -> Response:
        await asked.port.shifts.end_link(asked.caller, kind.value, require_plain(id))
        return Response(status_code=204)

    path = f"/{kind.value}/{{id}}/calendar_link"
    router.add_api_route(
        path, make_link, methods=["POST"], tags=[kind.value], summary=f"Make the calendar link of {one}",
        operation_id=f"make_{kind.value}_calendar_link", status_code=201, description=(
            "Return a secret address for calendar programs; the one before it ends."
        ), responses=answers(models.CalendarLink, *WRITES, status=201),
    )  # fmt: skip
    router.add_api_route(
        path, end_link, methods=["DELETE"], tags=[kind.value], summary=f"End the calendar link of {one}",
        operation_id=f"end_{kind.value}_calendar_link", status_code=204, response_class=Response,
        description="The address leads nowhere any more.",
        responses={**_GONE, **refusals(401, 403, 404, 409, 422, 503)},
    )  # fmt: skip


_offer_link(Kind.SCHEDULES, "a schedule")
_offer_link(Kind.USERS, "a user")


@open_router.get("/calendars/{token}.ics", include_in_schema=False)
async def read_by_link(token: str, request: Request) -> Response:
    """Return the calendar that a secret link leads to; it needs no key."""
    port: RestPort = request.app.state.port
    return _calendar(request, port.shifts.by_link(token[:200]))


def _calendar(request: Request, text: str) -> Response:
    body = text.encode()
    tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {"ETag": tag, "Cache-Control": "private, max-age=300", "X-Content-Type-Options": "nosniff"}
    if tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    headers["Content-Disposition"] = 'inline; filename="on-call.ics"'
    return Response(body, media_type="text/calendar; charset=utf-8", headers=headers)


def _instant(name: str, text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text.replace(" ", "+"))
        if found.tzinfo is not None and 1900 < found.year < 2200:
            return found.astimezone(UTC)
    except ValueError:
        pass
    remedy = f"{text!r} is not an instant with its zone, such as 2027-01-04T09:00:00Z"
    raise Invalid(f"{name} is wrong", [FieldFault(name, remedy)], code="invalid_parameter")
