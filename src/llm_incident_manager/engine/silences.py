"""⑦ People mute pages for a while: silences, and the open incidents that are made to agree with them.

A silence is written first, with who made it; then the open incidents follow. Whatever the sweep misses (it was opened
by a batch that did not know the silence yet) is caught where pages leave: no page goes out while a silence matches.
"""

import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import structlog

from llm_incident_manager.clock import Clock
from llm_incident_manager.domain.incidents import decide
from llm_incident_manager.domain.incidents.incident import SYSTEM, Actor, Incident
from llm_incident_manager.domain.routing.silence import Silence, SilenceState
from llm_incident_manager.domain.vocabulary import Scope
from llm_incident_manager.engine.audit_note import moves, note
from llm_incident_manager.engine.caller import Caller
from llm_incident_manager.engine.commit import commit
from llm_incident_manager.engine.context import Contexts
from llm_incident_manager.engine.documents.kinds import Kind
from llm_incident_manager.engine.documents.known import Known
from llm_incident_manager.engine.documents.parse import parse
from llm_incident_manager.engine.documents.silences import stored_silence
from llm_incident_manager.engine.ports import Store, Transaction
from llm_incident_manager.engine.rows import ConfigurationItem, IncidentFilter
from llm_incident_manager.engine.searching import searching
from llm_incident_manager.engine.settings import SettingsMemory
from llm_incident_manager.engine.views.instants import iso
from llm_incident_manager.errors import Conflict, FieldFault, Invalid, NotFound, StaleVersion, Unavailable

Document = dict[str, Any]
KEPT = timedelta(days=5)
"""So long an ended silence can still be read, as with Alertmanager; the audit trail keeps it longer."""
MOST = 1000
"""Silences of a tenant that have not ended: every incident that opens is held against all of them."""
AT_A_TIME = 100
SETTLES_AFTER = timedelta(seconds=5)
"""A second sweep follows then: batches that were under way with the settings of before are done."""
TRIES = 3
log = structlog.get_logger("silences")


async def _nobody_waits(_: str) -> None:
    """Do nothing."""


class Silences:
    """The silences of the caller's tenant. Reading needs the scope ``read``, changing ``respond``.

    Args:
        on_changed: awaited with the tenant after every commit, so that this node uses the change at once.
        committed: told of every incident that was changed.
    """

    def __init__(
        self,
        store: Store,
        contexts: Contexts,
        settings: SettingsMemory,
        clock: Clock,
        committed: Callable[[Incident], None] = lambda _: None,
        on_changed: Callable[[str], Awaitable[object]] = _nobody_waits,
    ) -> None:
        self._store = store
        self._contexts = contexts
        self._settings = settings
        self._clock = clock
        self._committed = committed
        self.on_changed = on_changed
        self._swept: dict[str, tuple[object, datetime]] = {}

    async def page(self, caller: Caller, limit: int, cursor: str | None) -> tuple[list[Document], str | None, int]:
        """Return the documents of one page in order of id, the next cursor, and the total."""
        caller.require(Scope.READ)

        def work(tx: Transaction) -> tuple[list[Document], str | None, int]:
            items, following, total = tx.configuration.page(Kind.SILENCES, limit=limit, cursor=cursor)
            return [_shown(item, tx.now) for item in items], following, total

        return await self._store.read(caller.tenant, work)

    async def all(self, caller: Caller) -> list[tuple[Silence, Document]]:
        """Return every silence with its document."""
        caller.require(Scope.READ)

        def work(tx: Transaction) -> list[tuple[Silence, Document]]:
            items = [item for item in tx.configuration.all() if item.kind == Kind.SILENCES]
            return [(_read(item.id, item.document), _shown(item, tx.now)) for item in items]

        return await self._store.read(caller.tenant, work)

    async def get(self, caller: Caller, silence_id: str) -> Document:
        """Return one; raises NotFound."""
        caller.require(Scope.READ)
        return await self._store.read(caller.tenant, lambda tx: _shown(_find(tx, silence_id), tx.now))

    async def create(self, caller: Caller, document: Mapping[str, Any]) -> Document:
        """Return the new silence under an id of the server's; without ``starts_at`` it starts now.

        Raises Invalid with every fault.
        """
        caller.require(Scope.RESPOND)
        silence_id = str(uuid.uuid4())

        def work(tx: Transaction) -> Document:
            _make_room(tx)
            return _put(tx, caller, silence_id, document, None)

        return await self._changed(caller.tenant, work)

    async def replace(
        self, caller: Caller, silence_id: str, document: Mapping[str, Any], if_match: int | None = None
    ) -> Document:
        """Return the silence that now stands in its place; one that has ended cannot be changed any more.

        Raises NotFound, Conflict (``silence_ended``), StaleVersion, Invalid.
        """
        caller.require(Scope.RESPOND)

        def work(tx: Transaction) -> Document:
            before = _find(tx, silence_id)
            _require_newest(before, if_match)
            if _read(before.id, before.document).state(tx.now) is SilenceState.EXPIRED:
                raise Conflict(f"silence {silence_id} has ended; make a new one", code="silence_ended")
            return _put(tx, caller, silence_id, document, before)

        return await self._changed(caller.tenant, work)

    async def expire(self, caller: Caller, silence_id: str) -> Document:
        """End it now and keep it readable for a while; harmless where it has ended already. Raises NotFound."""
        caller.require(Scope.RESPOND)

        def work(tx: Transaction) -> Document:
            before = _find(tx, silence_id)
            silence = _read(before.id, before.document)
            if silence.state(tx.now) is SilenceState.EXPIRED:
                return _shown(before, tx.now)
            started = min(silence.starts_at, tx.now - timedelta(milliseconds=1))
            ended = before.document | {"starts_at": iso(started), "ends_at": iso(tx.now)}
            return _write(tx, caller, silence_id, ended, before, "expired")

        return await self._changed(caller.tenant, work)

    async def delete(self, caller: Caller, silence_id: str, if_match: int | None = None) -> None:
        """End it and forget it; the audit trail says who did. Raises NotFound, StaleVersion."""
        caller.require(Scope.RESPOND)

        def work(tx: Transaction) -> Document:
            before = _find(tx, silence_id)
            _require_newest(before, if_match)
            tx.configuration.delete(Kind.SILENCES, silence_id)
            _note(tx, caller, silence_id, "deleted", before.document, {})
            return {}

        await self._changed(caller.tenant, work)

    async def _changed(self, tenant: str, work: Callable[[Transaction], Document]) -> Document:
        for attempt in range(TRIES):
            try:
                document = await self._store.transact(tenant, work)
                break
            except Conflict as conflict:
                if conflict.code != "version_conflict" or attempt == TRIES - 1:
                    raise
        await self.on_changed(tenant)
        try:
            await self.sweep(tenant)
        except (Conflict, Unavailable) as later:
            # It is written, so it is answered; the loop sweeps what was not swept.
            log.warning("silences_not_applied_yet", tenant=tenant, reason=later.code)
        return document

    async def run_due(self) -> int:
        """Sweep every tenant whose active silences are others than at its last sweep; returns how many were swept.

        The loop calls it: it sees silences begin and end, changes made by other nodes, and what a crash left undone.
        """
        now, swept = self._clock.now(), 0
        for tenant in self._settings.tenants():
            before = self._swept.get(tenant)
            same = before is not None and before[0] == self._active(tenant, now)
            if same and before is not None and now < before[1]:
                continue
            await self.sweep(tenant, again=not same)
            swept += 1
        return swept

    async def sweep(self, tenant: str, *, again: bool = True) -> int:
        """Make the tenant's open incidents agree with its silences as they are now; returns how many changed."""
        now = self._clock.now()
        active = self._active(tenant, now)
        changed, cursor = 0, None
        while True:
            wanted = IncidentFilter(open_only=True, sort="created_at", limit=AT_A_TIME, cursor=cursor)
            page = await self._store.read(tenant, searching(wanted))
            changed += await self._settle(tenant, page.incidents)
            cursor = page.next_cursor
            if cursor is None:
                break
        self._swept[tenant] = (active, now + SETTLES_AFTER if again else datetime.max.replace(tzinfo=now.tzinfo))
        if changed:
            log.info("silences_applied", tenant=tenant, incidents=changed)
        return changed

    async def _settle(self, tenant: str, incidents: Sequence[Incident]) -> int:
        context = self._contexts(tenant)
        now = self._clock.now()
        unlike = [each.id for each in incidents if decide.silence(each, context.silencing(each, now))]
        after: dict[str, Incident] = {}

        def work(tx: Transaction) -> None:
            after.clear()
            for incident in tx.incidents.get_many(unlike).values():
                changes = decide.silence(incident, context.silencing(incident, tx.now))
                if changes:
                    after[incident.id] = commit(tx, incident, changes, by=SYSTEM, context=context)

        for attempt in range(TRIES if unlike else 0):
            try:
                await self._store.transact(tenant, work)
                break
            except Conflict:
                if attempt == TRIES - 1:
                    raise
        for incident in after.values():
            self._committed(incident)
        return len(after)

    def _active(self, tenant: str, at: datetime) -> object:
        """Return what may be compared with what was active at another instant."""
        silences = self._settings.of(tenant).silences
        return frozenset(
            (each.id, each.ends_at, each.matchers) for each in silences if each.state(at) is SilenceState.ACTIVE
        )


def _put(
    tx: Transaction, caller: Caller, silence_id: str, document: Mapping[str, Any], before: ConfigurationItem | None
) -> Document:
    given = {name: value for name, value in document.items() if name not in _MADE}
    given.setdefault("starts_at", before.document["starts_at"] if before is not None else iso(tx.now))
    if given["starts_at"] is None:
        given["starts_at"] = iso(tx.now)
    if not given.get("created_by"):
        given["created_by"] = _name(caller.actor) if before is None else before.document.get("created_by", "")
    silence = _read(silence_id, given)
    if silence.ends_at <= tx.now:
        what = f"{iso(silence.ends_at)} is over already; name an instant to come"
        raise Invalid(f"a silence ends in the future: ends_at {what}", [FieldFault("ends_at", what)])
    return _write(tx, caller, silence_id, _document(silence), before, "created" if before is None else "replaced")


def _write(
    tx: Transaction, caller: Caller, silence_id: str, document: Document, before: ConfigurationItem | None, what: str
) -> Document:
    item = tx.configuration.put(
        ConfigurationItem(
            kind=Kind.SILENCES,
            id=silence_id,
            document=document,
            created_at=before.created_at if before is not None else tx.now,
            updated_at=tx.now,
            created_by=before.created_by if before is not None else caller.actor.id,
        ),
        expected_version=before.version if before is not None else 0,
    )
    _note(tx, caller, silence_id, what, before.document if before is not None else {}, document)
    return _shown(item, tx.now)


def _note(tx: Transaction, caller: Caller, silence_id: str, what: str, old: Document, new: Document) -> None:
    note(
        tx, by=caller.actor, request=caller.request, event_type=f"silence_{what}", kind=Kind.SILENCES,
        item_id=silence_id, changes=moves(old, new),
    )  # fmt: skip


def _make_room(tx: Transaction) -> None:
    """Remove what ended long ago, a few at a time; raises Invalid where there are more than anybody can mean."""
    items = [item for item in tx.configuration.all() if item.kind == Kind.SILENCES]
    ends = [(_read(item.id, item.document).ends_at, item.id) for item in items]
    if sum(1 for end, _ in ends if end > tx.now) >= MOST:
        what = f"there are {MOST} silences; end some before you make more"
        raise Invalid(what, [FieldFault("matchers", what)], code="too_many_silences")
    for _, silence_id in [each for each in ends if tx.now - each[0] > KEPT][:AT_A_TIME]:
        tx.configuration.delete(Kind.SILENCES, silence_id)


def _find(tx: Transaction, silence_id: str) -> ConfigurationItem:
    try:
        return tx.configuration.get(Kind.SILENCES, silence_id)
    except NotFound:
        raise NotFound(f"there is no silence {silence_id}", silence_id=silence_id) from None


def _require_newest(item: ConfigurationItem, if_match: int | None) -> None:
    if if_match is not None and if_match != item.version:
        raise StaleVersion(
            f"version {if_match} is not the newest, {item.version} is; read it again and change that",
            version=item.version,
        )


def _read(silence_id: str, document: Mapping[str, Any]) -> Silence:
    whole = dict(document) | {"id": silence_id}
    silence: Silence = stored_silence(whole) or parse(Kind.SILENCES, whole, Known())
    return silence


def _document(silence: Silence) -> Document:
    return {
        "matchers": [
            {"name": each.name, "value": each.value, "is_regex": each.is_regex, "is_equal": each.is_equal}
            for each in silence.matchers
        ],
        "starts_at": iso(silence.starts_at),
        "ends_at": iso(silence.ends_at),
        "created_by": silence.created_by,
        "comment": silence.comment,
    }


def _shown(item: ConfigurationItem, at: datetime) -> Document:
    return item.document | {
        "id": item.id,
        "state": _read(item.id, item.document).state(at).value,
        "created_at": iso(item.created_at),
        "updated_at": iso(item.updated_at),
        "version": item.version,
    }


def _name(actor: Actor) -> str:
    return actor.name or actor.id


_MADE = frozenset({"id", "state", "version", "created_at", "updated_at", "origin"})
