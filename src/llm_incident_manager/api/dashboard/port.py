"""What the pages need from the engine, and who is asking."""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

import msgspec

from llm_incident_manager.domain.incidents.changes import RequestFacts
from llm_incident_manager.domain.notifications.answers import Offer, Pressed, Said

Document = dict[str, Any]
"""A JSON object with the names of the REST contract; instants are ISO 8601 strings or aware datetimes."""


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """A signed-in person. ``scopes`` are those of an API key; ``csrf`` must come back with every form."""

    user_id: str
    name: str
    tenant: str
    scopes: tuple[str, ...]
    csrf: str
    expires_at: datetime

    @property
    def may_respond(self) -> bool:
        """Whether this person may change incidents."""
        return "respond" in self.scopes or "admin" in self.scopes


class DashboardPort(Protocol):
    """Everything the dashboard asks of the engine; the session's tenant bounds each answer.

    Every method may raise the kinds of ``llm_incident_manager.errors``: ``NotFound`` for an id that is unknown or
    another tenant's, ``Unauthenticated`` when the person was removed since signing in, ``Unavailable`` when the store
    does not answer. The pages translate them; nothing else may be raised on purpose.
    """

    async def list_incidents(
        self, session: Session, filters: Mapping[str, Sequence[str]], cursor: str | None, limit: int
    ) -> Document:
        """Return ``{rows, total, total_at_least?, next_cursor, counts: {P0…P4: n}, any?}``.

        ``rows`` are incidents (specification §5.2, and the REST additions), already in order: what needs this person
        (``needs_me: true``) first, then severity, then newest change; ``untold: true`` where no
        page reached anyone. ``filters`` hold lists under ``status severity
        category source environment assigned_to assigned_team tag`` (ORed inside a name) and one text under ``q start
        end``. ``counts`` ignore the severity filter; ``any`` is false only while the tenant never had an incident.
        """
        ...

    async def incident(self, session: Session, incident_id: str) -> Document:
        """Return one incident with ``event_count last_event_at allowed_actions version ladder untold``."""
        ...

    async def timeline(self, session: Session, incident_id: str, cursor: str | None, limit: int) -> Document:
        """Return ``{entries, next_cursor}``: §5.4 ResolutionLog entries, newest first."""
        ...

    async def explanation(self, session: Session, incident_id: str) -> Document:
        """Return ``{severity, grouping, route}``, each ``{text, evidence: […], …}``."""
        ...

    async def notifications(self, session: Session, incident_id: str) -> list[Document]:
        """Return ``{id type level target channel state reason attempts next_attempt_at delivered_at planned_at}``."""
        ...

    async def events(self, session: Session, incident_id: str) -> list[Document]:
        """Return up to 200 kept events (specification §5.1), newest first."""
        ...

    async def related(self, session: Session, incident_id: str) -> list[Document]:
        """Return incidents linked to this one, each with ``kind`` (a ``LinkKind``) and optionally ``reason``."""
        ...

    async def act(
        self, session: Session, incident_id: str, action: str, fields: Mapping[str, str], if_match: int | None
    ) -> Document:
        """Apply a §4.2 action and return the incident.

        ``fields`` may hold ``root_cause resolution_notes note``. Raises ``Conflict`` (with ``allowed_actions``) where
        the state forbids it and ``StaleVersion`` when ``if_match`` is not the newest version.
        """
        ...

    async def take(self, session: Session, incident_id: str) -> Document:
        """Make the person the owner and stop the ladder, wherever it stands; harmless when repeated."""
        ...

    async def comment(self, session: Session, incident_id: str, text: str) -> Document:
        """Add a comment and return the incident."""
        ...

    async def assign(self, session: Session, incident_id: str, user_id: str | None, team_id: str | None) -> Document:
        """Hand the incident to a person, a team or both, and return it."""
        ...

    async def page(self, session: Session, incident_id: str, target: str, note: str) -> Document:
        """Page ``user:<id>`` or ``team:<id>`` now, beside the ladder; Invalid where nobody would be told."""
        ...

    async def snooze(self, session: Session, incident_id: str, until: datetime | None) -> Document:
        """Hold the ladder until then; ``None`` lets it go on."""
        ...

    async def link(self, session: Session, incident_id: str, other_id: str, kind: str) -> Document:
        """Link two incidents both ways; ``kind`` is a ``LinkKind``."""
        ...

    async def merge(self, session: Session, incident_id: str, into: str) -> Document:
        """Make it a duplicate of ``into`` and resolve it; return the merged incident."""
        ...

    async def people(self, session: Session) -> Document:
        """Return ``{users: [{id, name}], teams: [{id, name}]}``: whom one can assign to."""
        ...

    async def time_zone(self, session: Session) -> str:
        """Return the reader's zone, an IANA name; UTC where they have none."""
        ...

    async def on_call_board(self, session: Session, start: datetime, end: datetime) -> Document:
        """Return ``{schedules, mine, overrides}``.

        Each schedule is ``{id, name, time_zone, now, start, end, shifts, gaps, ahead, calendars}``: ``gaps`` are of the
        span, ``ahead`` of the next four weeks. ``mine`` are the reader's shifts of twelve months, ``overrides`` those
        that have not ended; one without an id stands in its schedule.
        """
        ...

    async def coverage(self, session: Session, schedule_id: str) -> Document:
        """Return ``{gaps, overlaps}`` of the next twelve months."""
        ...

    async def add_override(self, session: Session, document: Document) -> Document:
        """Store an override and return it; raises Invalid."""
        ...

    async def remove_override(self, session: Session, override_id: str) -> None:
        """Delete an override; raises NotFound, and Conflict where the config file owns it."""
        ...

    async def calendar_link(self, session: Session, kind: str, item_id: str) -> str:
        """Return a new secret address for the calendar of a schedule or a user; the one before ends."""
        ...

    def subscribe(self, session: Session) -> AsyncIterator[Document]:
        """Yield ``{incident_id, severity?, status?, kind?}`` for each change of the tenant, until the server stops.

        Under load several changes of one incident may be folded into one.
        """
        ...

    async def look_at_page(self, token: str) -> Offer | None:
        """Return what the one-tap link of a page offers; None for one that was not made here. Changes nothing."""
        ...

    async def press_page(self, pressed: Pressed, request: RequestFacts) -> Said:
        """Do what a page's link offers, in the name of whoever was paged; harmless when repeated."""
        ...

    async def redeem_link(self, token: str) -> Document | None:
        """Consume a one-time sign-in link: ``{user_id, name, tenant, scopes}``, or None if spent or unknown."""
        ...
