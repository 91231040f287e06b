"""The Incident page: what happened, who is on it, what now? And every action on it."""

import asyncio
from datetime import timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from llm_incident_manager.api.dashboard.actions import DONE, buttons_of, errands_of, is_action
from llm_incident_manager.api.dashboard.forms import TYPED, Form
from llm_incident_manager.api.dashboard.guard import STATUS_OF, Guard
from llm_incident_manager.api.dashboard.incident_view import incident_view
from llm_incident_manager.api.dashboard.notices import Notice, Undo, put_notice, take_notice
from llm_incident_manager.api.dashboard.port import Session
from llm_incident_manager.api.dashboard.rows import row_of, status_words
from llm_incident_manager.api.dashboard.session import local_path
from llm_incident_manager.api.dashboard.words import People
from llm_incident_manager.errors import Conflict, Forbidden, IncidentManagerError, Invalid, NotFound, StaleVersion

_ALWAYS = ("take", "comment", "assign")
_ENTRIES = 40
_LONGEST_TEXT = 20_000
_LONGEST_SNOOZE_MINUTES = 30 * 24 * 60


class IncidentPage:
    """Shows one incident and acts on it."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard

    async def show(self, request: Request, session: Session) -> Response:
        """Answer ``GET /incidents/{id}``; ``?before=`` shows older entries of the timeline."""
        port, identifier = self._guard.port, request.path_params["id"]
        incident = await port.incident(session, identifier)
        timeline, explanation, notifications, events, related, named = await asyncio.gather(
            port.timeline(session, identifier, request.query_params.get("before") or None, _ENTRIES),
            port.explanation(session, identifier),
            port.notifications(session, identifier),
            port.events(session, identifier),
            port.related(session, identifier),
            port.people(session),
        )
        people = People(named, session.user_id)
        view = incident_view(
            incident,
            timeline=timeline,
            explanation=explanation,
            notifications=notifications,
            events=events,
            related=related,
            people=people,
            now=self._guard.settings.clock.now(),
            may_respond=session.may_respond,
        )
        notice = take_notice(self._guard.sessions, request)
        context = {
            "view": view,
            "people": people,
            "here": f"/incidents/{incident['id']}",
            "notice": notice,
            "is_first": "before" not in request.query_params,
            "errands": errands_of(incident) if session.may_respond else [],
            "typed": {},
        }
        response = self._guard.renderer.page("incident.html", session, context)
        if notice:
            self._guard.sessions.clear(response, "notice")
        return response

    async def act(self, request: Request, session: Session, form: Form) -> Response:
        """Answer ``POST /incidents/{id}/{action}``: 303 back with a notice, or a page that keeps what was typed.

        The dashboard's script asks for JSON (``X-Dashboard``) and gets the row as it is now.
        """
        identifier, action = request.path_params["id"], request.path_params["action"]
        if not is_action(action):
            raise NotFound(f"There is no action “{action}”.")
        if not session.may_respond:
            raise Forbidden("Your sign-in may read, not respond. Ask an admin for the scope “respond”.")
        quiet = bool(request.headers.get("x-dashboard"))
        try:
            before = await self._guard.port.incident(session, identifier) if action == "assign" else None
            incident = await self._apply(session, identifier, action, form)
        except (Conflict, StaleVersion, Invalid) as error:
            if quiet:
                return JSONResponse({"message": error.message}, status_code=_status(error))
            return await self._refused(session, identifier, action, form, error)
        done = "wake" if action == "snooze" and not incident.get("snoozed_until") else action
        notice = Notice(text=DONE[done], undo=_undo(incident, done, before))
        if quiet:
            return await self._row(session, incident, notice)
        back = local_path(form.one("back")) or f"/incidents/{incident['id']}"
        response = RedirectResponse(back, status_code=303)
        put_notice(self._guard.sessions, response, notice)
        return response

    async def _apply(self, session: Session, identifier: str, action: str, form: Form) -> dict[str, Any]:
        port = self._guard.port
        if action == "take":
            return await port.take(session, identifier)
        if action == "comment":
            text = form.one("text")
            if not text:
                raise Invalid("The comment is empty. Write a word, then send it.")
            _check_length(text)
            return await port.comment(session, identifier, text)
        if action == "assign":
            user, team = form.one("user_id") or None, form.one("team_id") or None
            if user is None and team is None:
                raise Invalid("Nobody was chosen. Choose a person, a team or both.")
            return await port.assign(session, identifier, user, team)
        if action in ("page", "snooze", "link", "merge"):
            return await self._run_errand(session, identifier, action, form)
        fields = {name: form.one(name) for name in ("root_cause", "resolution_notes", "note") if form.one(name)}
        for text in fields.values():
            _check_length(text)
        version = form.one("version")
        return await port.act(session, identifier, action, fields, int(version) if version.isdecimal() else None)

    async def _run_errand(self, session: Session, identifier: str, action: str, form: Form) -> dict[str, Any]:
        port = self._guard.port
        if action == "page":
            _check_length(form.one("note"))
            return await port.page(session, identifier, form.one("target"), form.one("note"))
        if action == "snooze":
            minutes = form.one("minutes")
            if minutes == "0":
                return await port.snooze(session, identifier, None)
            if not minutes.isdecimal() or int(minutes) > _LONGEST_SNOOZE_MINUTES:
                raise Invalid("It was not said for how long. Choose one of the times.")
            return await port.snooze(
                session, identifier, self._guard.settings.clock.now() + timedelta(minutes=int(minutes))
            )
        field = "incident_id" if action == "link" else "into"
        other = form.one(field).upper()
        if not other:
            raise Invalid("No incident was named. Write or paste the id of the other one.")
        if action == "link":
            return await port.link(session, identifier, other, form.one("kind") or "related")
        return await port.merge(session, identifier, other)

    async def _row(self, session: Session, incident: dict[str, Any], notice: Notice) -> Response:
        people = People(await self._guard.port.people(session), session.user_id)
        row = row_of(incident, people, self._guard.settings.clock.now(), may_respond=session.may_respond)
        html = self._guard.renderer.text("row.html", session, {"row": row})
        return JSONResponse({"message": notice.text, "row": html}, headers={"Cache-Control": "no-store"})

    async def _refused(
        self, session: Session, identifier: str, action: str, form: Form, error: IncidentManagerError
    ) -> Response:
        incident = await self._guard.port.incident(session, identifier)
        named = await self._guard.port.people(session)
        status, title = next(found for kind, found in STATUS_OF.items() if isinstance(error, kind))
        typed = dict(form.typed())
        context = {
            "title": title,
            "message": error.message,
            "faults": getattr(error, "faults", []),
            "incident": incident,
            "status": status_words(incident),
            "action": action,
            "buttons": buttons_of(incident),
            "possible": action in (*_ALWAYS, *(each.action for each in errands_of(incident)))
            or action in (incident.get("allowed_actions") or ()),
            "typed": typed,
            "words": TYPED,
            "people": People(named, session.user_id),
        }
        return self._guard.renderer.page("refused.html", session, context, status=status)


def _status(error: IncidentManagerError) -> int:
    return next(found for kind, (found, _) in STATUS_OF.items() if isinstance(error, kind))


def _check_length(text: str) -> None:
    if len(text) > _LONGEST_TEXT:
        raise Invalid(f"The text has {len(text):,} characters; at most {_LONGEST_TEXT:,} are kept.")


def _undo(incident: dict[str, Any], action: str, before: dict[str, Any] | None) -> Undo | None:
    """Return what takes an action back exactly; most cannot be: who was paged stays paged (specification §4.2)."""
    path = f"/incidents/{incident['id']}"
    if action == "resolve":
        return Undo(path=f"{path}/reopen")
    if action == "snooze":
        return Undo(path=f"{path}/snooze", fields={"minutes": "0"})
    if action == "assign" and before and before.get("assigned_to"):
        former = {"user_id": before["assigned_to"], "team_id": before.get("assigned_team") or ""}
        return Undo(path=f"{path}/assign", fields=former)
    return None
