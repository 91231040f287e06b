"""Incidents of the past, brought through the same domain at their recorded instants; nobody is paged for them."""

from collections.abc import Callable, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any, Protocol

import msgspec
import structlog

from llm_incident_manager.domain.events.event import Event
from llm_incident_manager.domain.events.history import HistoricIncident
from llm_incident_manager.domain.events.normalise import accept_document
from llm_incident_manager.domain.incidents import decide
from llm_incident_manager.domain.incidents.changes import Change, ChangeSet, RequestFacts
from llm_incident_manager.domain.incidents.decide import ResolutionGiven
from llm_incident_manager.domain.incidents.evolve import applied, evolve
from llm_incident_manager.domain.incidents.incident import Actor, Incident
from llm_incident_manager.domain.incidents.transitions import next_status
from llm_incident_manager.domain.vocabulary import Action, Scope
from llm_incident_manager.engine.audit_note import note
from llm_incident_manager.engine.caller import Caller
from llm_incident_manager.engine.context import Context, Contexts
from llm_incident_manager.engine.memory import Identity
from llm_incident_manager.engine.openings import classified, integration, opening
from llm_incident_manager.engine.ports import Key, Store, Transaction
from llm_incident_manager.engine.rows import StoredEvent
from llm_incident_manager.errors import FieldFault, Invalid
from llm_incident_manager.ids import IdSource, IncidentNumbers

log = structlog.get_logger("import")
BATCH = 40
"""Incidents in one transaction: it holds SQLite's one writer for at most about 50 ms."""

Story = list[tuple[Incident, ChangeSet]]
"""One incident's change sets in order, each with the state it leads to."""


class History(Protocol):
    """What another tool recorded, as its source reads it; ``faults`` names what could not be read."""

    @property
    def source(self) -> str: ...
    @property
    def incidents(self) -> tuple[HistoricIncident, ...]: ...
    @property
    def skipped_maintenance(self) -> int: ...
    @property
    def faults(self) -> tuple[FieldFault, ...]: ...


class ImportCounts(msgspec.Struct, kw_only=True):
    """What an import did; ``open`` of the ``imported`` have not ended yet."""

    imported: int = 0
    already_known: int = 0
    skipped_maintenance: int = 0
    open: int = 0
    faults: list[dict[str, str]] = msgspec.field(default_factory=list)


class ImportHistory:
    """Imports. ``read_statuspage`` reads the document; ``committed`` hears of incidents that are open now, ``counted``
    of each event identity, so that the memory of the intake stays true.
    """

    def __init__(
        self,
        store: Store,
        contexts: Contexts,
        numbers: IncidentNumbers,
        ids: IdSource,
        *,
        read_statuspage: Callable[[object], History],
        committed: Callable[[Incident], None] = lambda _: None,
        counted: Callable[[Identity, str | None], None] = lambda *_: None,
    ) -> None:
        self._store = store
        self._contexts = contexts
        self._numbers = numbers
        self._ids = ids
        self._read_statuspage = read_statuspage
        self._committed = committed
        self._counted = counted

    async def statuspage(self, caller: Caller, document: object) -> dict[str, Any]:
        """Return the counts after importing a Statuspage history (interfaces, ``POST /imports/statuspage``).

        Repeating it changes nothing: each incident is known by tenant, source and the page's own incident id. A fault
        in one incident leaves out that one and is named in ``faults``. Raises Forbidden without the scope ``admin``,
        Invalid where the document is no status page, Unavailable while the store is away (what was imported stays).
        """
        caller.require(Scope.ADMIN)
        return msgspec.to_builtins(await self._bring(caller, self._read_statuspage(document)))  # type: ignore[no-any-return]

    async def _bring(self, caller: Caller, history: History) -> ImportCounts:
        counts = ImportCounts(
            skipped_maintenance=history.skipped_maintenance,
            faults=[{"field": fault.field, "message": fault.message} for fault in history.faults],
        )
        readable: list[tuple[HistoricIncident, Event]] = []
        for past in history.incidents:
            try:
                readable.append((past, self._event(caller.tenant, past)))
            except Invalid as invalid:
                counts.faults += [
                    {"field": f"{past.external_id}: {each.field}", "message": each.message} for each in invalid.faults
                ]
        for first in range(0, len(readable), BATCH):
            await self._bring_batch(caller, history.source, readable[first : first + BATCH], counts)
        log.info("history_imported", source=history.source, imported=counts.imported, known=counts.already_known)
        return counts

    async def _bring_batch(
        self, caller: Caller, source: str, batch: Sequence[tuple[HistoricIncident, Event]], counts: ImportCounts
    ) -> None:
        written = await self._store.transact(
            caller.tenant, lambda tx: self._write(tx, caller, source, batch), background=True
        )
        counts.imported += len(written)
        counts.already_known += len(batch) - len(written)
        for incident in written:
            self._counted((caller.tenant, source, incident.source_event_id), incident.id)
            if incident.is_open:
                counts.open += 1
                self._committed(incident)

    def _write(
        self, tx: Transaction, caller: Caller, source: str, batch: Sequence[tuple[HistoricIncident, Event]]
    ) -> list[Incident]:
        """Write what is not known yet; returns the incidents as they are at the end of their stories."""
        keys: list[Key] = [(event.source, event.event_id) for _, event in batch]
        known = tx.events.known(keys)
        standing = tx.incidents.open_by_fingerprint(event.fingerprint for _, event in batch)
        new: dict[Key, tuple[HistoricIncident, Event]] = {}
        for key, (past, event) in zip(keys, batch, strict=True):
            # One that is open under this fingerprint came in live: it is this very incident.
            if key not in known and event.fingerprint not in standing:
                new.setdefault(key, (past, event))
        if not new:
            return []
        ids = self._free_ids(tx, [past.created_at for past, _ in new.values()])
        context = self._contexts(caller.tenant)
        stories = [
            self._story(past, event, incident_id, context, caller.request)
            for (past, event), incident_id in zip(new.values(), ids, strict=True)
        ]
        written = _append(tx, stories)
        of_key = {key: event for key, (_, event) in new.items()}
        events = [(of_key[incident.source, incident.source_event_id], incident.id) for incident in written]
        tx.events.add(events)
        tx.events.keep([_kept(tx, event, incident_id) for event, incident_id in events])
        opened = [incident.id for incident in written]
        tx.outbox.put("incidents_changed", {"ids": opened, "opened": True})
        imported = [{"field": "incidents", "old_value": None, "new_value": opened}]
        note(
            tx, by=caller.actor, request=caller.request, event_type="history_imported", kind="sources",
            item_id=source, changes=imported,
        )  # fmt: skip
        return written

    def _free_ids(self, tx: Transaction, days: Sequence[datetime]) -> list[str]:
        """Reserve an id of each day; those of long ago that this process never saw are passed over."""
        ids = [self._numbers.reserve(day.date()) for day in days]
        while taken := tx.incidents.get_many(ids):
            ids = [
                self._numbers.reserve(day.date()) if each in taken else each
                for each, day in zip(ids, days, strict=True)
            ]
        return ids

    def _event(self, tenant: str, past: HistoricIncident) -> Event:
        # The page's id decides the fingerprint: two outages of one title are two incidents.
        document = past.document | {"dedup_key": past.external_id, "schema_version": "1.1"}
        return accept_document(msgspec.json.encode(document), tenant=tenant, received_at=past.created_at)

    def _story(
        self, past: HistoricIncident, event: Event, incident_id: str, context: Context, request: RequestFacts
    ) -> Story:
        by = integration(event.source)
        change = opening(
            event, classified([event], context), tenant=context.settings.tenant, incident_id=incident_id,
        )  # fmt: skip
        # Nobody knows when it was detected: it leaves MTTD alone.
        change = msgspec.structs.replace(change, imported=True, late=True)
        first = ChangeSet(at=past.created_at, by=by, changes=(change,), request=request)
        story: Story = [(evolve(None, first), first)]
        for at, moves in groupby(_moves(past, self._ids), key=lambda dated: dated[0]):
            incident = state = story[-1][0]
            changes: list[Change] = []
            for _, _, move in moves:
                more = move(state, by)
                state = applied(state, more, at=at, by=by)
                changes += more
            if changes:
                change_set = ChangeSet(at=at, by=by, changes=tuple(changes))
                story.append((evolve(incident, change_set), change_set))
        return story


Move = Callable[[Incident, Actor], list[Change]]


def _moves(past: HistoricIncident, ids: IdSource) -> list[tuple[datetime, int, Move]]:
    """Return what happened after the opening, in order: when, its rank among what happened then, and what."""
    moves: list[tuple[datetime, int, Move]] = []
    for update in past.updates:
        text = f"{update.status}: {update.text}" if update.status and update.text else update.text or update.status
        if text:
            moves.append((max(update.at, past.created_at), 0, _say(text, ids)))
    for number, (at, action) in enumerate(
        ((past.acknowledged_at, Action.ACKNOWLEDGE), (past.work_started_at, Action.START_WORK)), start=1
    ):
        if at is not None:
            moves.append((at, number, _act(action)))
    if past.resolved_at is not None:
        moves.append((past.resolved_at, 3, _resolve(past)))
        if past.closed_at is not None:
            moves.append((past.closed_at, 4, _act(Action.CLOSE)))
    return sorted(moves, key=lambda dated: dated[:2])


def _act(action: Action) -> Move:
    def acted(incident: Incident, by: Actor) -> list[Change]:
        return decide.act(incident, action, by=by) if next_status(incident.status, action) is not None else []

    return acted


def _resolve(past: HistoricIncident) -> Move:
    ended = [update for update in past.updates if update.at == past.resolved_at]
    notes = (ended[-1].text if ended else "") or None

    def resolved(incident: Incident, by: Actor) -> list[Change]:
        return decide.resolve(incident, by=by, given=ResolutionGiven(resolution_notes=notes), walk=True)

    return resolved


def _say(text: str, ids: IdSource) -> Move:
    comment_id = ids.new("cmt")
    return lambda *_: decide.comment(text, comment_id=comment_id)


def _append(tx: Transaction, stories: Sequence[Story]) -> list[Incident]:
    """Write the stories and return their ends: change set by change set, as many steps as the longest story has.

    One that another node opened in this moment is left to that node.
    """
    lost = tx.incidents.open([story[0] for story in stories])
    ours = [story for story in stories if story[0][0].fingerprint not in lost]
    for step in range(1, max(map(len, ours), default=1)):
        tx.incidents.append([story[step] for story in ours if len(story) > step])
    return [story[-1][0] for story in ours]


def _kept(tx: Transaction, event: Event, incident_id: str) -> StoredEvent:
    return StoredEvent(
        tenant=tx.tenant,
        source=event.source,
        event_id=event.event_id,
        incident_id=incident_id,
        received_at=tx.now,
        payload=msgspec.json.encode(event),
    )
