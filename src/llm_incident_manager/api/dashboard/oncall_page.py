"""The On-call page: who is on call now and next?"""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from llm_incident_manager.api.dashboard import oncall_view as view
from llm_incident_manager.api.dashboard.forms import Form
from llm_incident_manager.api.dashboard.guard import Guard
from llm_incident_manager.api.dashboard.notices import Notice, put_notice, take_notice
from llm_incident_manager.api.dashboard.port import Session
from llm_incident_manager.api.dashboard.session import local_path
from llm_incident_manager.api.dashboard.words import People
from llm_incident_manager.domain.oncall.rotation import local_instant
from llm_incident_manager.errors import FieldFault, Forbidden, Invalid

DAYS = {"week": 7, "month": 28}
MOST_LANES = 12
MOST_LINES = 12


class OnCallPage:
    """Shows the schedules and arranges overrides."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard

    async def show(self, request: Request, session: Session) -> Response:
        """Answer ``GET /on-call``; ``view`` is week or month, ``from`` a date, ``schedule`` the one looked at."""
        notice = take_notice(self._guard.sessions, request)
        response = await self._page(request, session, notice=notice, link="")
        if notice:
            self._guard.sessions.clear(response, "notice")
        return response

    async def override(self, request: Request, session: Session, form: Form) -> Response:
        """Answer ``POST /on-call/overrides``: times are of the reader's zone."""
        _require_responder(session)
        zone = view.Times(await self._guard.port.time_zone(session))
        document = {
            "schedule": form.one("schedule"),
            "user": form.one("user_id"),
            "start": _instant(form, "start", zone),
            "end": _instant(form, "end", zone),
            "reason": form.one("note")[:500] or None,
        }
        await self._guard.port.add_override(session, {name: value for name, value in document.items() if value})
        return self._done(form, "The override is saved.")

    async def remove(self, request: Request, session: Session, form: Form) -> Response:
        """Answer ``POST /on-call/overrides/{id}/remove``."""
        _require_responder(session)
        await self._guard.port.remove_override(session, request.path_params["id"])
        return self._done(form, "The override is gone.")

    async def share(self, request: Request, session: Session, form: Form) -> Response:
        """Answer ``POST /on-call/link``: a new secret address, shown this once."""
        _require_responder(session)
        schedule = form.one("schedule")
        kind, item = ("schedules", schedule) if schedule else ("users", session.user_id)
        link = await self._guard.port.calendar_link(session, kind, item)
        return await self._page(request, session, notice=None, link=link)

    async def _page(self, request: Request, session: Session, *, notice: Notice | None, link: str) -> Response:
        port, now = self._guard.port, self._guard.settings.clock.now()
        people = People(await port.people(session), session.user_id)
        times = view.Times(await port.time_zone(session))
        kind = request.query_params.get("view", "week")
        kind = kind if kind in DAYS else "week"
        first = _first_day(request.query_params.get("from", ""), now.astimezone(times.zone).date())
        start, end = (local_instant(first + timedelta(days=days), time(), times.zone) for days in (0, DAYS[kind]))
        board = await port.on_call_board(session, start, end)
        chosen = request.query_params.get("schedule", "")
        schedules = board["schedules"]
        looked_at = next((each for each in schedules if each["id"] == chosen), schedules[0] if schedules else None)
        shown = sorted(schedules, key=lambda each: each is not looked_at)[:MOST_LANES]
        lines: list[view.Line] = []
        if looked_at is not None:
            lines = view.coverage_lines(await port.coverage(session, looked_at["id"]), people, times)
        context: dict[str, Any] = {
            "notice": notice,
            "here": "/on-call",
            "link": link,
            "people": people,
            "schedules": schedules,
            "looked_at": looked_at,
            "duties": [view.duty_of(each, people, times) for each in schedules[:24]],
            "lanes": [(each, view.bars_of(each, people, times, now)) for each in shown],
            "hidden": len(schedules) - len(shown),
            "gaps": view.gap_lines(schedules, times)[:3],
            "calendars": view.calendar_lines(schedules, times)[:3],
            "coverage": lines[:MOST_LINES],
            "more_coverage": max(0, len(lines) - MOST_LINES),
            "mine": view.shift_lines(board["mine"][:MOST_LINES], times, now),
            "overrides": view.override_lines(board["overrides"][:MOST_LINES], people, times),
            "days": view.days_of(start, end, now, times),
            "now_column": round(view.COLUMNS * ((now - start) / (end - start))) if start <= now < end else None,
            "clock": f"{now.astimezone(times.zone):%H:%M}",
            "title": f"{times.day(start)} to {times.day(end - timedelta(hours=1))}",
            "zone": times.name,
            "view": kind,
            "week": _address(chosen, "week", first),
            "month": _address(chosen, "month", first),
            "before": _address(chosen, kind, first - timedelta(days=DAYS[kind])),
            "after": _address(chosen, kind, first + timedelta(days=DAYS[kind])),
            "today": _address(chosen, kind, None),
            "round_hour": f"{(now.astimezone(times.zone) + timedelta(hours=1)):%Y-%m-%dT%H:00}",
        }
        return self._guard.renderer.page("oncall.html", session, context)

    def _done(self, form: Form, text: str) -> Response:
        response = RedirectResponse(local_path(form.one("back")) or "/on-call", status_code=303)
        put_notice(self._guard.sessions, response, Notice(text=text))
        return response


def _require_responder(session: Session) -> None:
    if not session.may_respond:
        raise Forbidden("Your key may read, not respond. Ask an admin for the scope “respond”.")


def _first_day(text: str, today: date) -> date:
    """Return the Monday of the week that ``text`` names, else of this one."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = today
    if not 1970 < day.year < 2100:
        day = today
    return day - timedelta(days=day.weekday())


def _address(schedule: str, kind: str, first: date | None) -> str:
    pairs = {"schedule": schedule, "view": kind if kind != "week" else "", "from": first.isoformat() if first else ""}
    query = urlencode({name: value for name, value in pairs.items() if value})
    return f"/on-call?{query}" if query else "/on-call"


def _instant(form: Form, name: str, times: view.Times) -> str:
    written = form.one(name)
    try:
        wall = datetime.fromisoformat(written)
        return local_instant(wall.date(), wall.time().replace(tzinfo=None), times.zone).astimezone(UTC).isoformat()
    except (ValueError, OverflowError):
        what = f"“{written[:40]}” is not a date and a time; write it like 2027-01-04T09:00"
        raise Invalid("The override was not saved.", [FieldFault(name, what)]) from None
