"""A small company's night, held in memory behind the dashboard's port; its state obeys specification §4.2."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from llm_incident_manager.api.dashboard.port import Document, Session
from llm_incident_manager.clock import Clock, SystemClock
from llm_incident_manager.domain.incidents.changes import RequestFacts
from llm_incident_manager.domain.incidents.transitions import TRANSITIONS
from llm_incident_manager.domain.notifications.answers import Offer, Pressed, Result, Said
from llm_incident_manager.errors import Conflict, Invalid, NotFound, StaleVersion, Unavailable
from tests.dashboard_night import NIGHT, TEAMS, USERS, deliveries, incident_at, measurements, reasons, story

MOVES = {(status.value, action.value): after.value for (status, action), after in TRANSITIONS.items()}


class NightPort:
    """The dashboard's port over dictionaries. ``away`` makes every question fail as a lost database does."""

    def __init__(self, clock: Clock | None = None, *, empty: bool = False) -> None:
        self.clock = clock or SystemClock()
        self.incidents: dict[str, Document] = {}
        self.comments: list[tuple[str, str]] = []
        self.done: list[tuple[str, str, str, dict[str, str]]] = []
        self.links = {"ana-link": ["read", "respond"], "reader-link": ["read"]}
        self.offers: dict[str, Offer] = {}
        self.pressed: list[Pressed] = []
        self.away = False
        self.asked: list[dict[str, list[str]]] = []
        self._listeners: list[asyncio.Queue[Document]] = []
        if not empty:
            for line in NIGHT:
                incident = incident_at(self.clock.now(), *line)
                self._allow(incident)
                self.incidents[incident["id"]] = incident

    def add(self, identifier: str, severity: str, status: str, title: str, **facts: Any) -> Document:
        """Put an incident in; ``facts`` are those of ``incident_at``."""
        incident = incident_at(self.clock.now(), identifier, severity, status, title, **facts)
        self._allow(incident)
        self.incidents[identifier] = incident
        return incident

    def announce(self, identifier: str) -> None:
        """Tell every open stream that an incident changed."""
        for listener in self._listeners:
            listener.put_nowait({"incident_id": identifier})

    @property
    def listeners(self) -> int:
        """How many streams are open."""
        return len(self._listeners)

    async def list_incidents(
        self, session: Session, filters: Mapping[str, Sequence[str]], cursor: str | None, limit: int
    ) -> Document:
        self._reach()
        self.asked.append({name: list(values) for name, values in filters.items()})
        fits = [row for row in self.incidents.values() if _fits(row, filters, skip="severity")]
        counts = {f"P{rank}": sum(row["severity"] == f"P{rank}" for row in fits) for rank in range(5)}
        found = [row for row in fits if _fits(row, filters)]
        found.sort(key=lambda row: (not row["needs_me"], row["severity"]))
        start = int(cursor or 0)
        more = str(start + limit) if len(found) > start + limit else None
        return {
            "rows": found[start : start + limit],
            "total": len(found),
            "next_cursor": more,
            "counts": counts,
            "any": bool(self.incidents),
        }

    async def incident(self, session: Session, incident_id: str) -> Document:
        self._reach()
        if incident_id not in self.incidents:
            raise NotFound(f"There is no incident {incident_id}.")
        return self.incidents[incident_id]

    async def timeline(self, session: Session, incident_id: str, cursor: str | None, limit: int) -> Document:
        incident = await self.incident(session, incident_id)
        return story(incident, [text for of, text in self.comments if of == incident_id])

    async def explanation(self, session: Session, incident_id: str) -> Document:
        return reasons(await self.incident(session, incident_id))

    async def notifications(self, session: Session, incident_id: str) -> list[Document]:
        await self.incident(session, incident_id)
        return deliveries(self.clock.now())

    async def events(self, session: Session, incident_id: str) -> list[Document]:
        return measurements(await self.incident(session, incident_id), self.clock.now())

    async def related(self, session: Session, incident_id: str) -> list[Document]:
        others = [
            ("INC-20261124-00015", "explained_by", "same provider, 5 min before ours"),
            ("INC-20261124-00028", "related", "retries raise its cost"),
        ]
        return [
            {**self.incidents[other], "kind": kind, "reason": reason}
            for other, kind, reason in others
            if other in self.incidents and other != incident_id
        ]

    async def act(
        self, session: Session, incident_id: str, action: str, fields: Mapping[str, str], if_match: int | None
    ) -> Document:
        incident = await self.incident(session, incident_id)
        if if_match is not None and if_match != incident["version"]:
            raise StaleVersion(f"Somebody changed {incident_id} meanwhile.")
        after = MOVES.get((incident["status"], action))
        if after is None:
            raise Conflict(f"{incident['status']} does not allow {action}.", code="invalid_transition")
        self.done.append((session.user_id, incident_id, action, dict(fields)))
        return self._changed(incident, status=after)

    async def take(self, session: Session, incident_id: str) -> Document:
        incident = await self.incident(session, incident_id)
        self.done.append((session.user_id, incident_id, "take", {}))
        after = {"NEW": "ACKNOWLEDGED", "ESCALATED": "IN_PROGRESS"}.get(incident["status"], incident["status"])
        return self._changed(incident, status=after, assigned_to=session.user_id, needs_me=False)

    async def comment(self, session: Session, incident_id: str, text: str) -> Document:
        self.comments.insert(0, (incident_id, text))
        return self._changed(await self.incident(session, incident_id))

    async def assign(self, session: Session, incident_id: str, user_id: str | None, team_id: str | None) -> Document:
        return self._changed(await self.incident(session, incident_id), assigned_to=user_id, assigned_team=team_id)

    async def page(self, session: Session, incident_id: str, target: str, note: str) -> Document:
        self.done.append((session.user_id, incident_id, "page", {"target": target, "note": note}))
        return self._changed(await self.incident(session, incident_id))

    async def snooze(self, session: Session, incident_id: str, until: datetime | None) -> Document:
        incident = await self.incident(session, incident_id)
        return self._changed(incident, snoozed_until=until.isoformat() if until is not None else None)

    async def link(self, session: Session, incident_id: str, other_id: str, kind: str) -> Document:
        if other_id not in self.incidents:
            raise Invalid(f"There is no incident {other_id}.")
        self.done.append((session.user_id, incident_id, "link", {"incident_id": other_id, "kind": kind}))
        return self._changed(await self.incident(session, incident_id))

    async def merge(self, session: Session, incident_id: str, into: str) -> Document:
        if into not in self.incidents:
            raise Invalid(f"There is no incident {into}.")
        return self._changed(await self.incident(session, incident_id), status="RESOLVED", duplicate_of=into)

    async def people(self, session: Session) -> Document:
        self._reach()
        return {"users": USERS, "teams": TEAMS}

    async def subscribe(self, session: Session) -> AsyncIterator[Document]:
        listener: asyncio.Queue[Document] = asyncio.Queue()
        self._listeners.append(listener)
        try:
            while True:
                yield await listener.get()
        finally:
            self._listeners.remove(listener)

    async def look_at_page(self, token: str) -> Offer | None:
        self._reach()
        return self.offers.get(token)

    async def press_page(self, pressed: Pressed, request: RequestFacts) -> Said:
        self._reach()
        self.pressed.append(pressed)
        return Said(result=Result.DONE, text="You have it. Also paged: Bo.", incident_id="INC-20261124-00031")

    async def redeem_link(self, token: str) -> Document | None:
        scopes = self.links.pop(token, None)
        return {"user_id": "ana", "name": "Ana Ruiz", "tenant": "default", "scopes": scopes} if scopes else None

    def _changed(self, incident: Document, **facts: Any) -> Document:
        incident.update(facts, version=incident["version"] + 1)
        self._allow(incident)
        self.announce(incident["id"])
        return incident

    def _allow(self, incident: Document) -> None:
        incident["allowed_actions"] = [action for status, action in MOVES if status == incident["status"]]

    def _reach(self) -> None:
        if self.away:
            raise Unavailable("The database does not answer.", retry_after_seconds=8)


def _fits(row: Document, filters: Mapping[str, Sequence[str]], skip: str = "") -> bool:
    words = [word.lower() for word in filters.get("q", ())]
    return all(word in row["title"].lower() for word in words) and all(
        row.get(name) in values for name, values in filters.items() if name not in ("q", "start", "end", "tag", skip)
    )
