"""The Incidents page: what is burning?"""

from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from llm_incident_manager.api.dashboard.actions import is_action
from llm_incident_manager.api.dashboard.filters import BUILT_IN_VIEWS, SEVERITIES, Filters, read_filters, read_place
from llm_incident_manager.api.dashboard.forms import Form
from llm_incident_manager.api.dashboard.guard import Guard
from llm_incident_manager.api.dashboard.notices import Notice, put_notice, take_notice
from llm_incident_manager.api.dashboard.port import Session
from llm_incident_manager.api.dashboard.rows import row_of
from llm_incident_manager.api.dashboard.session import local_path
from llm_incident_manager.api.dashboard.untold import untold_rows
from llm_incident_manager.api.dashboard.words import People
from llm_incident_manager.errors import Forbidden, IncidentManagerError, Invalid, Unavailable

_MOST_AT_ONCE = 100
_BULK_WORDS = {
    "take": "taken",
    "start_work": "started",
    "escalate": "escalated",
    "resolve": "resolved",
    "close": "closed",
}


class IncidentList:
    """Lists incidents and acts on several of them."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard

    async def show(self, request: Request, session: Session) -> Response:
        """Answer ``GET /incidents``."""
        filters = read_filters(request.query_params)
        place = read_place(request.query_params)
        cursor = place.cursor
        try:
            page = await self._guard.port.list_incidents(
                session, filters.for_engine(session.user_id), cursor, self._guard.settings.page_size
            )
            people = People(await self._guard.port.people(session), session.user_id)
        except Unavailable as error:
            return self._out_of_order(session, filters, error)
        now = self._guard.settings.clock.now()
        rows = [row_of(row, people, now, may_respond=session.may_respond) for row in page["rows"]]
        untouched = not rows and not filters.pairs and cursor is None
        context = {
            **_frame(filters, people),
            "rows": rows,
            "counts": {severity: int((page.get("counts") or {}).get(severity, 0)) for severity in SEVERITIES},
            "total": page.get("total", len(rows)),
            "total_at_least": bool(page.get("total_at_least")),
            "older": place.next_address(filters, page["next_cursor"]) if page.get("next_cursor") else None,
            "newer": place.previous_address(filters),
            "page_number": place.number if cursor or page.get("next_cursor") else None,
            "untold": untold_rows(rows),
            "is_first": cursor is None,
            "first_ever": untouched and not page.get("any", page.get("total", 0) > 0),
            "failure": None,
            "notice": take_notice(self._guard.sessions, request),
        }
        response = self._guard.renderer.page("incidents.html", session, context)
        if context["notice"]:
            self._guard.sessions.clear(response, "notice")
        return response

    async def row(self, request: Request, session: Session) -> Response:
        """Answer ``GET /incidents/{id}/row``: one line, for a row that has left the list while it is looked at."""
        incident = await self._guard.port.incident(session, request.path_params["id"])
        people = People(await self._guard.port.people(session), session.user_id)
        row = row_of(incident, people, self._guard.settings.clock.now(), may_respond=session.may_respond)
        text = self._guard.renderer.text("row.html", session, {"row": row})
        return HTMLResponse(text, headers={"Cache-Control": "no-store"})

    async def act_on_several(self, request: Request, session: Session, form: Form) -> Response:
        """Answer ``POST /incidents/bulk``; each incident is tried, and the answer says which were not possible."""
        if not session.may_respond:
            raise Forbidden("Your key may read, not respond. Ask an admin for the scope “respond”.")
        action, identifiers = form.one("action"), form.every("ids")
        if not is_action(action) or action not in _BULK_WORDS:
            raise Invalid(f"“{action}” is not an action for several incidents.")
        if not identifiers:
            raise Invalid("No incident was selected. Check one or more rows first.")
        if len(identifiers) > _MOST_AT_ONCE:
            raise Invalid(f"At most {_MOST_AT_ONCE} incidents at once; {len(identifiers)} were selected.")
        done, refused = 0, []
        for identifier in identifiers:
            try:
                if action == "take":
                    await self._guard.port.take(session, identifier)
                else:
                    await self._guard.port.act(session, identifier, action, {}, None)
                done += 1
            except IncidentManagerError as error:
                refused.append(f"{identifier}: {error.message}")
        text = f"{done} {_BULK_WORDS[action]}."
        if refused:
            text += f" {len(refused)} not: {'; '.join(refused[:5])}"
        response = RedirectResponse(local_path(form.one("back")) or "/incidents", status_code=303)
        put_notice(self._guard.sessions, response, Notice(text=text, failed=bool(refused)))
        return response

    def _out_of_order(self, session: Session, filters: Filters, error: Unavailable) -> Response:
        context: dict[str, Any] = {
            **_frame(filters, People({}, session.user_id)),
            "rows": [],
            "counts": None,
            "total": 0,
            "total_at_least": False,
            "older": None,
            "newer": None,
            "page_number": None,
            "untold": [],
            "is_first": True,
            "first_ever": False,
            "failure": {"message": error.message, "seconds": max(1, round(error.retry_after_seconds))},
            "notice": None,
        }
        headers = {"Retry-After": str(context["failure"]["seconds"])}
        return self._guard.renderer.page("incidents.html", session, context, status=503, headers=headers)


def _frame(filters: Filters, people: People) -> dict[str, Any]:
    return {
        "filters": filters,
        "here": filters.address(),
        "views": BUILT_IN_VIEWS,
        "severities": SEVERITIES,
        "people": people,
    }
