"""⑦ A sender acts on the incident that it opened: acknowledge, note, snooze, edit, escalate, resolve and so on.

The caller is an integration with an ingest key, so it reaches only incidents of its own source. What is over, or was
never there, is left alone: senders acknowledge and resolve what is not known here, and that is no fault of theirs.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from llm_incident_manager.domain.events.event import Event, Resource
from llm_incident_manager.domain.events.fingerprint import fingerprint
from llm_incident_manager.domain.events.raw import TEXT_LIMITS
from llm_incident_manager.domain.events.stable import stable_event_id
from llm_incident_manager.domain.incidents import decide
from llm_incident_manager.domain.incidents.changes import Change
from llm_incident_manager.domain.incidents.incident import Actor, Incident
from llm_incident_manager.domain.vocabulary import ActorType, Category, Scope, Severity
from llm_incident_manager.engine import act_changes
from llm_incident_manager.engine.caller import Caller
from llm_incident_manager.engine.commit import commit
from llm_incident_manager.engine.context import Context, Contexts
from llm_incident_manager.engine.folds import over_for
from llm_incident_manager.engine.memory import OpenFingerprints
from llm_incident_manager.engine.openings import ending
from llm_incident_manager.engine.ports import Store, Transaction
from llm_incident_manager.engine.waiting import Untriaged
from llm_incident_manager.errors import Conflict, FieldFault, Invalid

TRIES = 3
"""How often a batch is decided again when somebody was faster."""


class ActKind(StrEnum):
    """What a sender may do beside sending events."""

    ACKNOWLEDGE = "acknowledge"
    """Somebody over there has it: our *take*."""
    NOTE = "note"
    SNOOZE = "snooze"
    EDIT = "edit"
    GIVE_BACK = "give_back"
    """Nobody over there has it any more: the ladder goes on."""
    ESCALATE = "escalate"
    ASSIGN = "assign"
    """``text`` names the person: id, name or e-mail address."""
    PAGE = "page"
    """``fields`` are ``type`` (user, team, schedule) and ``name``."""
    GRADE = "grade"
    """``text`` is the severity; lowered only where ``by`` names a person."""
    ADD = "add"
    """``fields`` are the labels and tags to add."""
    REMOVE = "remove"
    """``fields`` are the labels to take away, and tags whose names are."""
    RESOLVE = "resolve"
    """Only for incidents named by their id; by dedup key a recovery event is the way: the journal keeps it."""


class Act(msgspec.Struct, frozen=True, kw_only=True):
    """One act on the open incident of ``(source, dedup_key)``, or on ``incident_id`` where the sender knows ours.

    ``act_id`` is the sender's name for this very request: done once, ever. Without one an act is decided by the state
    (a second acknowledgment is harmless), and the same note on the same incident is written once. ``by`` is the person
    over there. ``once``: whichever incident it was done to, what comes by this ``act_id`` again is not done to another
    one that was opened since. ``until`` ends a snooze; ``fields`` are those of an edit: title, description, category,
    tags, labels.
    """

    kind: ActKind
    source: str
    dedup_key: str | None = None
    incident_id: str | None = None
    act_id: str | None = None
    once: bool = False
    text: str = ""
    by: str = ""
    until: datetime | None = None
    fields: dict[str, Any] = {}


class ActReceipt(msgspec.Struct, frozen=True, kw_only=True):
    """What came of an act: ``done``, ``unchanged`` (it was so already), ``duplicate`` or ``unknown`` (none is open)."""

    status: str
    incident_id: str | None = None


class _Edited(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an edit may set."""

    title: Annotated[str, Meta(min_length=1, max_length=TEXT_LIMITS["title"])] = "-"
    description: Annotated[str, Meta(max_length=TEXT_LIMITS["description"])] = ""
    category: Category = Category.OTHER
    tags: dict[str, str] = {}
    labels: list[str] = []


class SourceActs:
    """The acts of sources. Raises Forbidden for another source's act, Unavailable while it cannot be done."""

    def __init__(
        self,
        store: Store,
        contexts: Contexts,
        untriaged: Untriaged,
        open_fingerprints: OpenFingerprints,
        committed: Callable[[Incident], None] = lambda _: None,
    ) -> None:
        self._store = store
        self._contexts = contexts
        self._untriaged = untriaged
        self._open = open_fingerprints
        self._committed = committed

    async def newest(self, tenant: str, source: str, dedup_key: str) -> str | None:
        """Return the id of the newest incident of a dedup key, open or not; one on its way is waited for, up to 2 s."""
        mark = fingerprint(tenant, source, "", "", "", "", None, dedup_key or " ")
        standing = self._open.get(tenant, mark)
        if standing is not None:
            await self._untriaged.wait(standing)
            return standing
        return await self._store.read(tenant, lambda tx: _newest(tx, mark))

    async def do(self, caller: Caller, acts: Sequence[Act]) -> list[ActReceipt]:
        """Do them in order, in one transaction; one that overtook its trigger waits up to 2 s for it."""
        caller.require(Scope.INGEST)
        if not acts:
            return []
        for act in acts:
            if act.kind is ActKind.EDIT:
                _require_editable(act.fields)
            opening = act.incident_id or self._open.get(caller.tenant, _fingerprint(caller.tenant, act))
            if opening is not None:
                await self._untriaged.wait(opening)
        context = self._contexts(caller.tenant)

        def work(tx: Transaction) -> tuple[list[ActReceipt], dict[str, Incident]]:
            batch = _Batch(tx, context, acts)
            return [batch.done(act) for act in acts], batch.changed

        for _ in range(TRIES - 1):
            try:
                receipts, changed = await self._store.transact(caller.tenant, work)
                break
            except Conflict as conflict:
                if conflict.code not in ("conflict", "version_conflict"):
                    raise
        else:
            receipts, changed = await self._store.transact(caller.tenant, work)
        for incident in changed.values():
            self._committed(incident)
        return receipts


class _Batch:
    """The transaction of a batch; incidents are carried from act to act."""

    def __init__(self, tx: Transaction, context: Context, acts: Sequence[Act]) -> None:
        self._tx = tx
        self._context = context
        wanted = {_fingerprint(tx.tenant, act) for act in acts if act.incident_id is None}
        named = [act.incident_id for act in acts if act.incident_id is not None]
        self._by_fingerprint = tx.incidents.open_by_fingerprint(wanted) if wanted else {}
        missing = wanted - self._by_fingerprint.keys()
        reported = tx.reports.open_of(missing) if missing else {}
        if reported:
            folded = tx.incidents.open_by_fingerprint(reported.values())
            self._by_fingerprint |= {own: folded[place] for own, place in reported.items() if place in folded}
        self._by_id = tx.incidents.get_many(named) if named else {}
        self.changed: dict[str, Incident] = {}

    def done(self, act: Act) -> ActReceipt:
        incident = self._incident(act)
        if incident is None or not incident.is_open or not _is_its_own(incident, act.source):
            return ActReceipt(status="unknown")
        mark = _mark(act, incident)
        if mark is not None and not self._tx.events.add([(mark, incident.id)]):
            return ActReceipt(status="duplicate", incident_id=incident.id)
        by = _actor(act)
        changes = _changes(act, incident, by, self._context, at=self._tx.now)
        if not changes:
            return ActReceipt(status="unchanged", incident_id=incident.id)
        after = commit(self._tx, incident, changes, by=by, context=self._context)
        self.changed[after.id] = after
        return ActReceipt(status="done", incident_id=after.id)

    def _incident(self, act: Act) -> Incident | None:
        if act.incident_id is not None:
            found = self._by_id.get(act.incident_id)
        else:
            found = self._by_fingerprint.get(_fingerprint(self._tx.tenant, act))
        return None if found is None else self.changed.get(found.id, found)


def _changes(act: Act, incident: Incident, by: Actor, context: Context, *, at: datetime) -> list[Change]:
    text = act.text or f"{act.kind} by {by.name}"
    comment_id = f"cmt-{stable_event_id(incident.id, *_facts(act))}"
    match act.kind:
        case ActKind.ACKNOWLEDGE:
            return decide.take(incident, by=by)
        case ActKind.NOTE:
            return decide.comment(text, comment_id=comment_id)
        case ActKind.SNOOZE:
            past = act.until is not None and act.until <= at
            return [] if past else decide.snooze(incident, until=act.until, at=at)
        case ActKind.EDIT:
            return decide.edit(incident, act.fields)
        case ActKind.GIVE_BACK:
            return act_changes.given_back(incident, by=by)
        case ActKind.ESCALATE:
            return act_changes.escalated(incident, by=by, reason=text)
        case ActKind.ASSIGN:
            return act_changes.assigned(incident, act.text, context, comment_id=comment_id)
        case ActKind.PAGE:
            kind, name = act.fields["type"], act.fields["name"]
            return act_changes.paged(incident, kind, name, context, at=at, comment_id=comment_id)
        case ActKind.GRADE:
            severity = Severity(act.text)
            person = bool(act.by)
            return act_changes.graded(incident, severity, by_person=person, who=by.name, comment_id=comment_id)
        case ActKind.ADD:
            return act_changes.added(incident, act.fields)
        case ActKind.REMOVE:
            return act_changes.removed(incident, act.fields)
        case ActKind.RESOLVE:
            fold, said = incident.fold, stable_event_id(incident.id, *_facts(act))
            if fold is None:
                return ending(incident, act.source, text, context)
            return over_for(incident, fold, fold.of_source(act.source), said, at, text, context)


def _newest(tx: Transaction, mark: str) -> str | None:
    return tx.incidents.last_by_fingerprint([mark]).get(mark) or tx.reports.last_of(mark)


def _is_its_own(incident: Incident, source: str) -> bool:
    """Whether ``source`` opened it, or is among those that report it."""
    return incident.source == source or (incident.fold is not None and bool(incident.fold.of_source(source)))


def _actor(act: Act) -> Actor:
    return Actor(type=ActorType.INTEGRATION, id=act.source, name=f"{act.by} ({act.source})" if act.by else act.source)


def _facts(act: Act) -> tuple[str, ...]:
    return (act.kind, act.act_id or "", "" if act.act_id else act.text, "" if act.act_id else act.by)


def _require_editable(fields: dict[str, Any]) -> None:
    try:
        msgspec.convert(fields, _Edited)
    except msgspec.ValidationError as wrong:
        raise Invalid(f"the incident cannot be edited so: {wrong}", [FieldFault("fields", str(wrong))]) from None


def _fingerprint(tenant: str, act: Act) -> str:
    return fingerprint(tenant, act.source, "", "", "", "", None, act.dedup_key or " ")


def _mark(act: Act, incident: Incident) -> Event | None:
    """Return what is counted once for an act, as an identity among those of events."""
    if act.act_id is None and act.kind is not ActKind.NOTE:
        return None
    of = () if act.once else (incident.id,)
    return Event(
        event_id=f"act:{stable_event_id(*of, *_facts(act))}",
        source=act.source,
        timestamp=incident.created_at,
        received_at=incident.created_at,
        event_type=act.kind,
        category=Category.OTHER,
        title=act.kind,
        severity=Severity.P4,
        source_severity=Severity.P4,
        resource=Resource(type=incident.resource.type, id=incident.resource.id),
        fingerprint=incident.fingerprint,
    )
