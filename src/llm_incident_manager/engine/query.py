"""⑧ Looked back on: what people and tools read. Every answer is bound to the caller's tenant."""

from collections.abc import Callable
from typing import Any, TypeVar

from llm_incident_manager.clock import Clock
from llm_incident_manager.domain.incidents.incident import Incident
from llm_incident_manager.domain.vocabulary import Scope
from llm_incident_manager.engine.caller import Caller
from llm_incident_manager.engine.context import Contexts
from llm_incident_manager.engine.loads import Loads
from llm_incident_manager.engine.ports import Store, Transaction
from llm_incident_manager.engine.route_preview import routing_of
from llm_incident_manager.engine.rows import IncidentFilter
from llm_incident_manager.engine.sealing import Sealing, may_read
from llm_incident_manager.engine.story import place_in, timeline_page
from llm_incident_manager.engine.views.event import event_document
from llm_incident_manager.engine.views.explanation import explanation_document
from llm_incident_manager.engine.views.incident import incident_document
from llm_incident_manager.engine.views.notification import notification_document
from llm_incident_manager.engine.waiting import Untriaged

T = TypeVar("T")
Document = dict[str, Any]


class Query:
    """Reads incidents and what belongs to them.

    All raise NotFound for an unknown or foreign id, Forbidden without the scope ``read``, and Unavailable while the
    store is away or a reserved id is not triaged within 2 s.
    """

    def __init__(
        self, store: Store, contexts: Contexts, untriaged: Untriaged, clock: Clock, sealing: Sealing | None = None
    ) -> None:
        self._sealing = sealing or Sealing()
        self._store = store
        self._contexts = contexts
        self._untriaged = untriaged
        self._clock = clock

    async def find(self, caller: Caller, incident_id: str) -> Incident:
        """Return the incident itself, for commands that look before they act."""
        return await self._of(caller, incident_id, lambda _, incident: incident)

    async def incident(self, caller: Caller, incident_id: str) -> Document:
        """Return one incident; an alias answers with the incident that won."""
        return incident_document(await self.find(caller, incident_id))

    async def incidents(self, caller: Caller, wanted: IncidentFilter) -> Document:
        """Return ``{incidents, next_cursor, total}``, with ``total_at_least`` where the total is not exact."""
        caller.require(Scope.READ)
        page = await self._store.read(caller.tenant, lambda tx: tx.incidents.search(wanted))
        answer: Document = {
            "incidents": [incident_document(incident) for incident in page.incidents],
            "next_cursor": page.next_cursor,
            "total": page.total,
        }
        return answer | ({"total_at_least": True} if page.total_at_least else {})

    async def timeline(
        self, caller: Caller, incident_id: str, *, limit: int, cursor: str | None, newest_first: bool = False
    ) -> Document:
        """Return ``{entries, next_cursor, total}`` of §5.4's log, oldest first unless asked otherwise."""
        return await self._of(
            caller,
            incident_id,
            lambda tx, incident: timeline_page(tx, incident, limit=limit, cursor=cursor, newest_first=newest_first),
        )

    async def events(
        self, caller: Caller, incident_id: str, *, limit: int, cursor: str | None, reveal: bool = False
    ) -> Document:
        """Return ``{events, next_cursor, total}``: the events whose payload is kept, newest first.

        With ``reveal`` members that are encrypted are shown to the scope ``admin``, or why they cannot be read; others
        see a marker.
        """
        opened = self._sealing.shown if reveal and may_read(caller) else None

        def work(tx: Transaction, incident: Incident) -> Document:
            stored, more = tx.events.of_incident(incident.id, limit=limit, cursor=cursor)
            total = tx.events.kept_count([incident.id]).get(incident.id, 0)
            return {"events": [event_document(each, opened) for each in stored], "next_cursor": more, "total": total}

        return await self._of(caller, incident_id, work)

    async def notifications(
        self, caller: Caller, incident_id: str, *, limit: int = 500, cursor: str | None = None
    ) -> Document:
        """Return ``{notifications, next_cursor, total}``: the page ledger of one incident, oldest first."""
        skip, _ = place_in(cursor)

        def work(tx: Transaction, incident: Incident) -> Document:
            rows = tx.notifications.of_incident(incident.id)
            shown = [notification_document(row) for row in rows[skip : skip + limit]]
            more = f"{skip + limit}.0" if skip + limit < len(rows) else None
            return {"notifications": shown, "next_cursor": more, "total": len(rows)}

        return await self._of(caller, incident_id, work)

    async def notification(self, caller: Caller, notification_id: str) -> Document:
        """Return one notification's row of the page ledger."""
        caller.require(Scope.READ)
        row = await self._store.read(caller.tenant, lambda tx: tx.notifications.get(notification_id))
        return notification_document(row)

    async def related(self, caller: Caller, incident_id: str) -> Document:
        """Return ``{related, next_cursor, total}``: the linked incidents, each with ``kind`` and ``reason``."""

        def work(tx: Transaction, incident: Incident) -> Document:
            found = tx.incidents.get_many([link.incident_id for link in incident.links])
            shown = [
                incident_document(found[link.incident_id]) | {"kind": link.kind.value, "reason": link.reason}
                for link in incident.links
                if link.incident_id in found
            ]
            return {"related": shown, "next_cursor": None, "total": len(shown)}

        return await self._of(caller, incident_id, work)

    async def explanation(self, caller: Caller, incident_id: str) -> Document:
        """Return why this severity, this grouping and these people."""

        def work(tx: Transaction, incident: Incident) -> Document:
            told = [notification_document(row) for row in tx.notifications.of_incident(incident.id)]
            return explanation_document(incident, told)

        return await self._of(caller, incident_id, work)

    async def test_route(self, caller: Caller, document: Document) -> Document:
        """Return which route, policy, people and channels an event would get at each level, and why; nothing is sent.

        Raises Invalid naming every bad field of the event.
        """
        caller.require(Scope.READ)
        context, at = self._contexts(caller.tenant), self._clock.now()

        def work(tx: Transaction) -> Document:
            return routing_of(document, context, tenant=caller.tenant, at=at, loads=Loads(tx))

        return await self._store.read(caller.tenant, work)

    async def _of(self, caller: Caller, incident_id: str, work: Callable[[Transaction, Incident], T]) -> T:
        caller.require(Scope.READ)
        await self._untriaged.wait(incident_id)
        return await self._store.read(caller.tenant, lambda tx: work(tx, tx.incidents.get(incident_id)))
