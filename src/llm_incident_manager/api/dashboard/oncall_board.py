"""The schedules as the dashboard asks for them, in the signed-in person's name."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from datetime import datetime

from llm_incident_manager.api.dashboard.port import Document, Session
from llm_incident_manager.engine.calendar_feeds import CalendarFeeds
from llm_incident_manager.engine.caller import Caller
from llm_incident_manager.engine.configure import Configure
from llm_incident_manager.engine.documents.kinds import Kind
from llm_incident_manager.engine.settings import TenantSettings
from llm_incident_manager.engine.shifts import Shifts


class OnCallBoard(ABC):
    """The part of the dashboard's port that is about on-call."""

    def __init__(
        self,
        *,
        shifts: Shifts,
        feeds: CalendarFeeds,
        configure: Configure,
        public_url: str,
        settings: Callable[[str], TenantSettings],
    ) -> None:
        self._shifts = shifts
        self._feeds = feeds
        self._configure = configure
        self._public_url = public_url
        self._settings = settings

    @abstractmethod
    def _caller(self, session: Session) -> Caller:
        """Return who asks; raises Unauthenticated for somebody who was removed."""

    async def time_zone(self, session: Session) -> str:
        """Return the reader's zone."""
        user = self._settings(self._caller(session).tenant).users.get(session.user_id)
        return user.time_zone if user is not None else "UTC"

    async def on_call_board(self, session: Session, start: datetime, end: datetime) -> Document:
        """Return every schedule with its present and its span, the reader's shifts, and the overrides to come."""
        caller = self._caller(session)
        settings = self._settings(caller.tenant)
        board: list[Document] = []
        for schedule in settings.schedules.values():
            span = self._shifts.shifts(caller, schedule.id, start, end)
            lacking = self._shifts.coverage(caller, schedule.id, start, end)["gaps"]
            now = self._shifts.on_call(caller, schedule.id)
            ahead = self._shifts.next_gaps(caller, schedule.id)
            board.append(
                {
                    "id": schedule.id,
                    "name": schedule.name,
                    "time_zone": schedule.time_zone,
                    "now": now,
                    "start": span["start"],
                    "end": span["end"],
                    "shifts": span["shifts"],
                    "gaps": lacking,
                    "ahead": ahead,
                    "calendars": self._feeds.states(caller, schedule.id),
                }
            )
        overrides = self._shifts.coming_overrides(caller)
        return {"schedules": board, "mine": self._shifts.of_person(caller, session.user_id), "overrides": overrides}

    async def coverage(self, session: Session, schedule_id: str) -> Document:
        """Return the gaps and overlaps of twelve months."""
        return self._shifts.coverage(self._caller(session), schedule_id, None, None)

    async def add_override(self, session: Session, document: Document) -> Document:
        """Store an override."""
        return await self._configure.create(self._caller(session), Kind.OVERRIDES, document)

    async def remove_override(self, session: Session, override_id: str) -> None:
        """Delete one."""
        await self._configure.delete(self._caller(session), Kind.OVERRIDES, override_id)

    async def calendar_link(self, session: Session, kind: str, item_id: str) -> str:
        """Return the new address."""
        token = await self._shifts.make_link(self._caller(session), kind, item_id)
        return f"{self._public_url}/calendars/{token}.ics"
