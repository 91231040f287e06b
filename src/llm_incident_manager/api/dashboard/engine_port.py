"""The engine behind the dashboard: each page's question asked in the signed-in person's name."""

import hashlib
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, TypeVar

import msgspec

from llm_incident_manager.api.dashboard.oncall_board import OnCallBoard
from llm_incident_manager.api.dashboard.port import Document, Session
from llm_incident_manager.domain.incidents.changes import RequestFacts
from llm_incident_manager.domain.incidents.decide import ResolutionGiven
from llm_incident_manager.domain.incidents.incident import Incident
from llm_incident_manager.domain.notifications.answers import Offer, Pressed, Said
from llm_incident_manager.domain.people import Target
from llm_incident_manager.domain.vocabulary import (
    Action,
    Category,
    Environment,
    LinkKind,
    Severity,
    Status,
    TargetType,
)
from llm_incident_manager.engine.calendar_feeds import CalendarFeeds
from llm_incident_manager.engine.caller import Caller
from llm_incident_manager.engine.configure import Configure
from llm_incident_manager.engine.identify import Identify
from llm_incident_manager.engine.links import Links
from llm_incident_manager.engine.page_answers import Answers
from llm_incident_manager.engine.ports import Store, Transaction
from llm_incident_manager.engine.query import Query
from llm_incident_manager.engine.relay import TOPIC
from llm_incident_manager.engine.respond import Respond
from llm_incident_manager.engine.rows import IncidentFilter
from llm_incident_manager.engine.settings import TenantSettings
from llm_incident_manager.engine.shifts import Shifts
from llm_incident_manager.engine.untold import untold_among
from llm_incident_manager.engine.views.incident import incident_document
from llm_incident_manager.errors import FieldFault, Invalid, NotFound

Listen = Callable[[str], AsyncIterator[Mapping[str, Any]]]
UNTAKEN = {Action.ACKNOWLEDGE.value, Action.DE_ESCALATE.value}
"""An incident that allows one of these is NEW or ESCALATED: nobody has it (specification §4.2)."""
E = TypeVar("E", Severity, Status, Category, Environment, LinkKind)


class EnginePort(OnCallBoard):
    """Implements :class:`~llm_incident_manager.api.dashboard.port.DashboardPort` over the engine."""

    def __init__(
        self,
        *,
        store: Store,
        query: Query,
        respond: Respond,
        identify: Identify,
        links: Links,
        settings: Callable[[str], TenantSettings],
        listen: Listen,
        answers: Answers,
        shifts: Shifts,
        feeds: CalendarFeeds,
        configure: Configure,
        public_url: str,
    ) -> None:
        super().__init__(shifts=shifts, feeds=feeds, configure=configure, public_url=public_url, settings=settings)
        self._answers = answers
        self._store = store
        self._query = query
        self._respond = respond
        self._identify = identify
        self._links = links
        self._listen = listen

    async def list_incidents(
        self, session: Session, filters: Mapping[str, Sequence[str]], cursor: str | None, limit: int
    ) -> Document:
        """Return one page in order of need, with the open incidents' number by severity."""
        caller = self._caller(session)
        wanted = _filter(filters, caller.actor.id, cursor, limit)
        page = await self._query.incidents(caller, wanted)
        rows = page["incidents"]
        if cursor is None and not wanted.severity and page["next_cursor"] is None:
            sizes = Counter(row["severity"] for row in rows)
            by_severity = {each.value: sizes[each.value] for each in Severity}
        else:
            by_severity = await self._store.read(caller.tenant, lambda tx: _by_severity(tx, wanted))
        untold = await self._untold(caller, [row["id"] for row in rows if UNTAKEN & set(row["allowed_actions"])])
        for row in rows:
            # Whoever could act on a page: it is untaken, mine or nobody's, and urgent enough to tell somebody at all.
            untaken = bool(UNTAKEN & set(row["allowed_actions"])) and row["severity"] != Severity.P4
            row["untold"] = row["id"] in untold
            row["needs_me"] = untaken and row["assigned_to"] in (None, caller.actor.id)
        answer = {
            "rows": rows,
            "total": page["total"],
            "next_cursor": page["next_cursor"],
            "counts": by_severity,
            "any": page["total"] > 0 or await self._any(caller),
        }
        if page.get("total_at_least"):
            answer["total_at_least"] = True
        return answer

    async def _any(self, caller: Caller) -> bool:
        """Whether there is any incident at all, whatever the filters say."""
        page = await self._store.read(caller.tenant, lambda tx: tx.incidents.search(IncidentFilter(limit=1)))
        return page.total > 0

    async def _untold(self, caller: Caller, ids: Sequence[str]) -> set[str]:
        """Return which of them ask for somebody while no page has reached anyone."""
        if not ids:
            return set()
        return await self._store.read(
            caller.tenant, lambda tx: untold_among(tx, list(tx.incidents.get_many(ids).values()))
        )

    async def incident(self, session: Session, incident_id: str) -> Document:
        """Return one incident, and whether it reached nobody."""
        caller = self._caller(session)
        found = await self._query.incident(caller, incident_id)
        return found | {"untold": bool(await self._untold(caller, [found["id"]]))}

    async def timeline(self, session: Session, incident_id: str, cursor: str | None, limit: int) -> Document:
        """Return the log, newest first."""
        return await self._query.timeline(
            self._caller(session), incident_id, limit=limit, cursor=cursor, newest_first=True
        )

    async def explanation(self, session: Session, incident_id: str) -> Document:
        """Return why this severity, grouping and route."""
        return await self._query.explanation(self._caller(session), incident_id)

    async def notifications(self, session: Session, incident_id: str) -> list[Document]:
        """Return the page ledger."""
        found = await self._query.notifications(self._caller(session), incident_id)
        rows: list[Document] = found["notifications"]
        return rows

    async def events(self, session: Session, incident_id: str) -> list[Document]:
        """Return up to 200 kept events."""
        found = await self._query.events(self._caller(session), incident_id, limit=200, cursor=None)
        rows: list[Document] = found["events"]
        return rows

    async def related(self, session: Session, incident_id: str) -> list[Document]:
        """Return the linked incidents."""
        found = await self._query.related(self._caller(session), incident_id)
        rows: list[Document] = found["related"]
        return rows

    async def act(
        self, session: Session, incident_id: str, action: str, fields: Mapping[str, str], if_match: int | None
    ) -> Document:
        """Take one of §4.2's actions."""
        caller = self._caller(session)
        if action == Action.RESOLVE:
            given = ResolutionGiven(
                root_cause=fields.get("root_cause") or None, resolution_notes=fields.get("resolution_notes") or None
            )
            after = await self._respond.resolve(caller, incident_id, given, if_match=if_match)
        else:
            after = await self._respond.act(
                caller, incident_id, Action(action), note=fields.get("note", ""), if_match=if_match
            )
        return incident_document(after)

    async def take(self, session: Session, incident_id: str) -> Document:
        """Make the person the one who has it."""
        return _shown(await self._respond.take(self._caller(session), incident_id))

    async def comment(self, session: Session, incident_id: str, text: str) -> Document:
        """Write something down."""
        return _shown(await self._respond.comment(self._caller(session), incident_id, text))

    async def assign(self, session: Session, incident_id: str, user_id: str | None, team_id: str | None) -> Document:
        """Hand it over."""
        return _shown(await self._respond.assign(self._caller(session), incident_id, user_id=user_id, team_id=team_id))

    async def page(self, session: Session, incident_id: str, target: str, note: str) -> Document:
        """Page a person or a team by hand, on every contact they have."""
        kind, _, identifier = target.partition(":")
        if kind not in (TargetType.USER, TargetType.TEAM) or not identifier:
            raise Invalid("nobody was chosen", [FieldFault("target", "choose a person or a team")])
        one = Target(type=TargetType(kind), id=identifier)
        return _shown(await self._respond.page(self._caller(session), incident_id, [one], (), note))

    async def snooze(self, session: Session, incident_id: str, until: datetime | None) -> Document:
        """Hold the ladder, or let it go on."""
        return _shown(await self._respond.snooze(self._caller(session), incident_id, until))

    async def link(self, session: Session, incident_id: str, other_id: str, kind: str) -> Document:
        """Link two incidents."""
        caller = self._caller(session)
        (known,) = _members(LinkKind, {"kind": [kind]}, "kind")
        await self._must_exist(caller, "incident_id", other_id)
        return _shown(await self._respond.link(caller, incident_id, other_id, known))

    async def merge(self, session: Session, incident_id: str, into: str) -> Document:
        """Fold it into another one."""
        caller = self._caller(session)
        await self._must_exist(caller, "into", into)
        return _shown(await self._respond.merge(caller, incident_id, into))

    async def _must_exist(self, caller: Caller, field: str, incident_id: str) -> None:
        """What a form names and does not exist is wrong input, not a missing page."""
        try:
            await self._query.find(caller, incident_id)
        except NotFound:
            fault = FieldFault(field, f"{incident_id} is no incident of yours; copy the id from its page")
            raise Invalid("there is no such incident", [fault]) from None

    async def people(self, session: Session) -> Document:
        """Return whom one can assign to."""
        settings = self._settings(self._caller(session).tenant)
        return {
            "users": [{"id": user.id, "name": user.name} for user in settings.users.values() if user.enabled],
            "teams": [{"id": team.id, "name": team.name} for team in settings.teams.values()],
        }

    async def subscribe(self, session: Session) -> AsyncIterator[Document]:
        """Yield the changes of the person's tenant."""
        tenant = self._caller(session).tenant
        async for message in self._listen(TOPIC):
            if message.get("tenant") != tenant:
                continue
            self._caller(session)  # raises where the person was removed since the stream was opened
            ids: list[str] = list(message["ids"])
            found = await self._store.read(tenant, lambda tx, ids=ids: tx.incidents.get_many(ids))  # type: ignore[misc]
            for incident in found.values():
                yield {
                    "incident_id": incident.id,
                    "severity": incident.severity.value,
                    "status": incident.status.value,
                    "kind": "opened" if message.get("opened") else "changed",
                }

    async def look_at_page(self, token: str) -> Offer | None:
        """Return what a page's link offers."""
        return await self._answers.look(token)

    async def press_page(self, pressed: Pressed, request: RequestFacts) -> Said:
        """Do what a page's link offers."""
        return await self._answers.hear(pressed, request)

    async def redeem_link(self, token: str) -> Document | None:
        """Consume a one-time link."""
        return await self._links.redeem(token)

    def _caller(self, session: Session) -> Caller:
        # The audit names the session by a digest: what it shows must not help to forge a form.
        named = hashlib.sha256(session.csrf.encode()).hexdigest()[:16]
        return self._identify.session_caller(session.user_id, session.tenant, session.name, session.scopes, named)


def _shown(incident: Incident) -> Document:
    return incident_document(incident)


def _by_severity(tx: Transaction, wanted: IncidentFilter) -> dict[str, int]:
    """Return how many incidents the other filters leave of each severity, up to 10,000 each."""
    one = msgspec.structs.replace(wanted, cursor=None, limit=1, needs=None, sort="-updated_at")
    return {each.value: tx.incidents.search(msgspec.structs.replace(one, severity=(each,))).total for each in Severity}


def _filter(filters: Mapping[str, Sequence[str]], needs: str, cursor: str | None, limit: int) -> IncidentFilter:
    tags: list[tuple[str, str]] = []
    for text in filters.get("tag", ()):
        key, found, value = text.partition(":")
        if not found:
            raise Invalid("a filter is wrong", [FieldFault("tag", f"{text} is not of the form key:value")])
        tags.append((key, value))
    return IncidentFilter(
        start=_instant(filters, "start"),
        end=_instant(filters, "end"),
        severity=_members(Severity, filters, "severity"),
        status=_members(Status, filters, "status"),
        category=_members(Category, filters, "category"),
        source=tuple(filters.get("source", ())),
        environment=_members(Environment, filters, "environment"),
        assigned_to=tuple(filters.get("assigned_to", ())),
        assigned_team=tuple(filters.get("assigned_team", ())),
        tags=tuple(tags),
        text=next(iter(filters.get("q", ())), None),
        needs=needs,
        sort="needs",
        limit=limit,
        cursor=cursor,
    )


def _members(kind: type[E], filters: Mapping[str, Sequence[str]], name: str) -> tuple[E, ...]:
    try:
        return tuple(kind(text) for text in filters.get(name, ()))
    except ValueError:
        known = ", ".join(each.value for each in kind)
        raise Invalid("a filter is wrong", [FieldFault(name, f"must be one of {known}")]) from None


def _instant(filters: Mapping[str, Sequence[str]], name: str) -> datetime | None:
    text = next(iter(filters.get(name, ())), "")
    if not text:
        return None
    try:
        if len(text) == len("2026-01-01"):
            day = date.fromisoformat(text) + timedelta(days=1 if name == "end" else 0)
            return datetime.combine(day, time(), UTC)
        found = datetime.fromisoformat(text)
    except ValueError:
        raise Invalid("a filter is wrong", [FieldFault(name, f"{text} is not a date or an instant")]) from None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
