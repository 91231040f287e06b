"""⑦ People set it up: users, teams, routes, policies, templates, schedules, sources, one document at a time."""

import uuid
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from llm_incident_manager.domain.vocabulary import Scope
from llm_incident_manager.engine.audit_note import moves, note
from llm_incident_manager.engine.caller import Caller
from llm_incident_manager.engine.documents.apply import FILE
from llm_incident_manager.engine.documents.findings import Findings, listed, quoted
from llm_incident_manager.engine.documents.hidden import MASK, masked, masks_left, restored
from llm_incident_manager.engine.documents.kinds import (
    NAMED,
    NAMELESS,
    OF_A_SCHEDULE,
    SERVER_MADE,
    SINGLE,
    Kind,
    Written,
    identify,
)
from llm_incident_manager.engine.documents.known import survey
from llm_incident_manager.engine.documents.parse import PARSERS, CheckTemplate, answer, parse, read, stored
from llm_incident_manager.engine.ports import Store, Transaction
from llm_incident_manager.engine.rows import ConfigurationItem
from llm_incident_manager.engine.views.instants import iso
from llm_incident_manager.errors import Conflict, FieldFault, Invalid, NotFound, StaleVersion

Document = dict[str, Any]
Page = tuple[list[Document], str | None, int]
"""The documents of one page, the next cursor, and the total."""
Work = Callable[[Transaction], Document]
TRIES = 3
"""How often a change without ``if_match`` is decided again when somebody was faster."""


async def _nobody_waits(tenant: str) -> None:
    """Do nothing."""


class Configure:
    """The configuration of the caller's tenant. Reading needs the scope ``read``, changing it ``admin``, or ``respond``
    for overrides and swaps.

    Documents come back with ``id``, ``version`` (the ETag) and what else the server adds. Secrets are masked with
    ``…``; a document put back with the mask keeps them. A kind that does not exist, and unknown ids, are NotFound.

    Args:
        store: where documents are.
        on_changed: awaited with the tenant after every commit, so that this node uses the change at once.
        check_template: says what a template's texts may not do.
    """

    def __init__(
        self,
        store: Store,
        on_changed: Callable[[str], Awaitable[object]] = _nobody_waits,
        check_template: CheckTemplate | None = None,
    ) -> None:
        self._store = store
        self._on_changed = on_changed
        self._check_template = check_template

    async def page(self, caller: Caller, kind: str, limit: int = 50, cursor: str | None = None) -> Page:
        """Return the documents of one page in order of id, the next cursor, and the total."""
        caller.require(Scope.READ)
        _require_kind(kind)

        def work(tx: Transaction) -> Page:
            items, following, total = tx.configuration.page(kind, limit=limit, cursor=cursor)
            return [_shown(item) for item in items], following, total

        return await self._store.read(caller.tenant, work)

    async def get(self, caller: Caller, kind: str, item_id: str | None = None) -> Document:
        """Return one document; ``catch_all`` and ``classification`` need no id."""
        caller.require(Scope.READ)
        found = _id_of(kind, item_id)
        return await self._store.read(caller.tenant, lambda tx: _shown(tx.configuration.get(kind, found)))

    async def create(self, caller: Caller, kind: str, document: Document) -> Document:
        """Return the stored document; its id is the one given, else made from the name.

        Raises Invalid with every fault, and Conflict (``already_exists``) where the id given is taken.
        """
        caller.require(_writer(kind))
        _require_kind(kind)

        def work(tx: Transaction) -> Document:
            items = tx.configuration.all()
            complete = _with_id(kind, document, {item.id for item in items if item.kind == kind})
            item_id = identify(kind, complete)
            if any((item.kind, item.id) == (kind, item_id) for item in items):
                raise Conflict(
                    f"there is a {kind} {item_id} already; replace that one or choose another id", code="already_exists"
                )
            return self._put(tx, caller, kind, complete, items, None)

        return await self._change(caller, work, decide_again=True)

    async def replace(
        self, caller: Caller, kind: str, item_id: str | None, document: Document, if_match: int | None = None
    ) -> Document:
        """Return the document that now stands in the place of the old one (``catch_all`` and so on need no old one).

        Raises Invalid with every fault, StaleVersion when ``if_match`` is not the newest version, and Conflict where
        the config file owns it (``read_only``) or others could not be used any more (``referenced``).
        """
        caller.require(_writer(kind))
        found = _id_of(kind, item_id)

        def work(tx: Transaction) -> Document:
            items = tx.configuration.all()
            before = _find(items, kind, found)
            if before is None and kind not in SINGLE:
                raise _unknown(kind, found)
            _require_writable(kind, found, before, if_match)
            given = restored(document, before.document) if before is not None else document
            _require_same_id(kind, found, given)
            complete = given if kind in SINGLE else given | {"id": found}
            return self._put(tx, caller, kind, complete, items, before)

        return await self._change(caller, work, decide_again=if_match is None)

    async def delete(self, caller: Caller, kind: str, item_id: str | None, if_match: int | None = None) -> None:
        """Remove it. Raises Conflict where the config file owns it, or naming who still refers to it."""
        caller.require(_writer(kind))
        found = _id_of(kind, item_id)

        def work(tx: Transaction) -> Document:
            items = tx.configuration.all()
            before = _find(items, kind, found)
            if before is None:
                raise _unknown(kind, found)
            _require_writable(kind, found, before, if_match)
            gone = [before, *(item for item in items if _goes_with(item, kind, found))]
            _require_whole(items, [item for item in items if item not in gone], f"{kind} {found} cannot be deleted")
            for each in gone:
                tx.configuration.delete(each.kind, each.id)
                self._note(tx, caller, "deleted", each, None)
            return {}

        await self._change(caller, work, decide_again=if_match is None)

    async def _change(self, caller: Caller, work: Work, *, decide_again: bool) -> Document:
        for _ in range(TRIES - 1 if decide_again else 0):
            try:
                return await self._transact(caller.tenant, work)
            except Conflict as conflict:
                if conflict.code != "version_conflict":
                    raise
        return await self._transact(caller.tenant, work)

    async def _transact(self, tenant: str, work: Work) -> Document:
        document = await self._store.transact(tenant, work)
        await self._on_changed(tenant)
        return document

    def _put(
        self,
        tx: Transaction,
        caller: Caller,
        kind: str,
        document: Document,
        items: list[ConfigurationItem],
        before: ConfigurationItem | None,
    ) -> Document:
        left = masks_left(document)
        if left:
            what = f"{MASK} stands for a secret that is not stored; give the secret itself"
            raise Invalid(f"{kind}: {what}", [FieldFault(path, what) for path in left])
        written = stored(kind, document)
        others = [item for item in items if item is not before]
        parse(kind, document, survey([*others, written]), check_template=self._check_template)
        if before is not None:
            _require_whole(items, [*others, written], f"{kind} {written.id} cannot be changed so")
        item = tx.configuration.put(
            ConfigurationItem(
                kind=kind,
                id=written.id,
                document=written.document,
                created_at=before.created_at if before is not None else tx.now,
                updated_at=tx.now,
                created_by=before.created_by if before is not None else caller.actor.id,
            ),
            expected_version=before.version if before is not None else 0,
        )
        self._note(tx, caller, "replaced" if before is not None else "created", before, item)
        return _shown(item)

    def _note(
        self,
        tx: Transaction,
        caller: Caller,
        what: str,
        before: ConfigurationItem | None,
        after: ConfigurationItem | None,
    ) -> None:
        item = after or before
        assert item is not None
        old, new = (each.document if each is not None else {} for each in (before, after))
        note(
            tx,
            by=caller.actor,
            request=caller.request,
            event_type=f"configuration_{what}",
            kind=item.kind,
            item_id=item.id,
            changes=moves(old, new, shown=(masked(old), masked(new))),
        )


def _shown(item: ConfigurationItem) -> Document:
    complete = answer(
        item,
        created_at=iso(item.created_at),
        updated_at=iso(item.updated_at),
        created_by=item.created_by,
        origin=item.origin,
    )
    return masked(complete) | {"version": item.version}


def _require_kind(kind: str) -> None:
    if kind not in PARSERS:
        raise NotFound(f"there is no kind {quoted(kind)}; kinds are {listed(PARSERS)}", code="kind_unknown")


def _writer(kind: str) -> Scope:
    """Return the scope that changes a kind: whoever responds may arrange who stands in for whom."""
    return Scope.RESPOND if kind in OF_A_SCHEDULE else Scope.ADMIN


def _goes_with(item: ConfigurationItem, kind: str, item_id: str) -> bool:
    """Whether it goes when that one is deleted: what stands in for its shifts, and the link to its calendar."""
    if item.kind == Kind.CALENDAR_LINKS:
        return (item.document.get("kind"), item.document.get("item")) == (kind, item_id)
    kinds = {*OF_A_SCHEDULE, Kind.CALENDAR_FEEDS}
    of_schedule = kind == Kind.SCHEDULES and item.kind in kinds and item.origin != FILE
    return of_schedule and item.document.get("schedule") == item_id


def _id_of(kind: str, item_id: str | None) -> str:
    _require_kind(kind)
    if kind in SINGLE:
        return str(kind)
    if item_id is None:
        raise NotFound(f"there are many {kind}; name one", kind=kind)
    return item_id


def _find(items: Iterable[ConfigurationItem], kind: str, item_id: str) -> ConfigurationItem | None:
    return next((item for item in items if item.kind == kind and item.id == item_id), None)


def _with_id(kind: str, document: Document, taken: set[str]) -> Document:
    """Return the document under an id: where none is written, the name's slug, numbered if that is taken."""
    kept = {name: value for name, value in document.items() if name not in SERVER_MADE}
    if kind in NAMELESS and not kept.get("id"):
        return kept | {"id": f"{kind.removesuffix('s')}-{uuid.uuid4()}"}
    found = identify(kind, kept)
    if kind in SINGLE or kind in NAMED or not found or kept.get("id"):
        return kept
    free, number = found, 1
    while free in taken:
        number += 1
        free = f"{found}-{number}"
    return kept | {"id": free}


def _require_same_id(kind: str, item_id: str, document: Document) -> None:
    written = document.get("id")
    if written is not None and str(written).strip() != item_id:
        what = f"is {quoted(written)} and should be {quoted(item_id)}: an id stays; make a new one and delete this one"
        raise Invalid(f"{kind} {item_id} cannot get another id", [FieldFault("id", what)])


def _require_writable(kind: str, item_id: str, item: ConfigurationItem | None, if_match: int | None) -> None:
    if item is not None and item.origin == FILE:
        raise Conflict(
            f"{kind} {item_id} stands in the config file; change it there and run `lim config reload`",
            code="read_only",
            origin=FILE,
        )
    version = item.version if item is not None else 0
    if if_match is not None and if_match != version:
        raise StaleVersion(
            f"version {if_match} is not the newest, {version} is; read it again and change that", version=version
        )


def _require_whole(before: Iterable[Written], after: Iterable[Written], what: str) -> None:
    """Refuse a change that makes other documents unusable: they refer to what would go."""
    known = _faults(before)
    broken = {place: message for place, message in _faults(after).items() if place not in known}
    if broken:
        referring = sorted({f"{kind}/{item_id}" for kind, item_id, _ in broken})
        faults = [FieldFault(f"{kind}/{item_id}: {path}", why) for (kind, item_id, path), why in broken.items()]
        raise Conflict(
            f"{what}: {listed(referring)} would break ({faults[0].message}); change that first",
            code="referenced",
            referring=referring,
            reasons=[f"{fault.field} {fault.message}" for fault in faults],
        )


def _faults(items: Iterable[Written]) -> dict[tuple[str, str, str], str]:
    items = list(items)
    known = survey(items)
    found: dict[tuple[str, str, str], str] = {}
    for item in items:
        if item.kind in PARSERS:
            findings = Findings()
            identity = {} if item.kind in SINGLE else {"id": item.id}
            read(item.kind, item.document | identity, known, findings)
            found |= {(item.kind, item.id, fault.field): fault.message for fault in findings.faults}
    return found


def _unknown(kind: str, item_id: str) -> NotFound:
    return NotFound(f"there is no {kind} {item_id}", kind=kind, item_id=item_id)
