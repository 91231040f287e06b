"""⑧ The audit: the tenant's own chain, and the incidents' chains beside it."""

import heapq
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    Row,
    and_,
    bindparam,
    func,
    literal,
    or_,
    select,
    update,
)

from llm_incident_manager.domain.audit.chain import TENANT_CHAIN, genesis, link_digest
from llm_incident_manager.domain.audit.entry import AuditEntry
from llm_incident_manager.domain.incidents.incident import Actor
from llm_incident_manager.engine.rows import HeadHash, StoredAudit, StoredChange
from llm_incident_manager.errors import Invalid
from llm_incident_manager.storage.cursors import cursor_after, place_of
from llm_incident_manager.storage.instants import instant, micros
from llm_incident_manager.storage.schema import AUDIT_HEADS, AUDIT_LOG, INCIDENT_CHANGES, INCIDENTS
from llm_incident_manager.storage.statements import TOTAL_LIMIT, insert

_TENANT: BindParameter[Any] = bindparam("of_tenant")
_INSERT = insert(AUDIT_LOG)
_FIRST_HEAD = insert(AUDIT_HEADS).on_conflict_do_nothing()
# The chain's newest link, held until the commit, so that nobody else adds a second one after it.
_HEAD = select(AUDIT_HEADS.c.version, AUDIT_HEADS.c.digest).where(AUDIT_HEADS.c.tenant == _TENANT)
_LOCKED_HEAD = _HEAD.with_for_update()
_MOVE_HEAD = (
    update(AUDIT_HEADS)
    .where(AUDIT_HEADS.c.tenant == _TENANT)
    .values(version=bindparam("version"), digest=bindparam("digest"))
)
# The newest link of every incident's chain.
_INCIDENT_HEADS = (
    select(INCIDENTS.c.id, INCIDENTS.c.version, INCIDENTS.c.head)
    .where(INCIDENTS.c.tenant == _TENANT, INCIDENTS.c.id > bindparam("after"))
    .order_by(INCIDENTS.c.id)
    .limit(bindparam("most"))
)
# Links of the tenant's chain, and of an incident's, in order.
_TENANT_LINKS = (
    select(AUDIT_LOG.c.version, AUDIT_LOG.c.body, AUDIT_LOG.c.previous, AUDIT_LOG.c.digest)
    .where(AUDIT_LOG.c.tenant == _TENANT, AUDIT_LOG.c.version > bindparam("after"))
    .order_by(AUDIT_LOG.c.version)
    .limit(bindparam("most"))
)
_INCIDENT_LINKS = (
    select(INCIDENT_CHANGES.c.version, INCIDENT_CHANGES.c.body, INCIDENT_CHANGES.c.previous, INCIDENT_CHANGES.c.digest)
    .where(
        INCIDENT_CHANGES.c.tenant == _TENANT,
        INCIDENT_CHANGES.c.incident_id == bindparam("of_id"),
        INCIDENT_CHANGES.c.version > bindparam("after"),
    )
    .order_by(INCIDENT_CHANGES.c.version)
    .limit(bindparam("most"))
)
_ENCODER = msgspec.json.Encoder()
_ORDER = "audit"


class _Kind(msgspec.Struct):
    change: str


class _Peek(msgspec.Struct):
    """As much of a change set as its name needs."""

    changes: list[_Kind]


_PEEK = msgspec.json.Decoder(_Peek)


class _Source(NamedTuple):
    """One of the two tables: what names a row's chain, and the columns that both have."""

    table: Any
    chain: ColumnElement[str]


_SOURCES = (
    _Source(AUDIT_LOG, literal(TENANT_CHAIN)),
    _Source(INCIDENT_CHANGES, INCIDENT_CHANGES.c.incident_id),
)


class SqlAudit:
    """The audit of one tenant in one transaction."""

    def __init__(self, connection: Connection, tenant: str) -> None:
        self._connection = connection
        self._tenant = tenant

    def add(self, at: datetime, by: Actor, event_type: str, body: Mapping[str, Any]) -> StoredAudit:
        stored = _ENCODER.encode(AuditEntry(at=at, by=by, event_type=event_type, body=dict(body)))
        start = {"tenant": self._tenant, "version": 0, "digest": genesis(self._tenant, TENANT_CHAIN)}
        self._connection.execute(_FIRST_HEAD, start)
        head = self._connection.execute(_LOCKED_HEAD, {"of_tenant": self._tenant}).one()
        link = {"version": head.version + 1, "digest": link_digest(head.digest, stored)}
        self._connection.execute(
            _INSERT,
            link
            | {
                "tenant": self._tenant,
                "at": micros(at),
                "actor": by.id,
                "event_type": event_type,
                "body": stored,
                "previous": head.digest,
            },
        )
        self._connection.execute(_MOVE_HEAD, link | {"of_tenant": self._tenant})
        return StoredAudit(
            id=_id(TENANT_CHAIN, head.version + 1), at=at, event_type=event_type, incident_id=None, body=stored
        )

    def page(
        self,
        *,
        start: datetime | None,
        end: datetime | None,
        actor: str | None,
        incident: str | None,
        limit: int,
        cursor: str | None,
    ) -> tuple[list[StoredAudit], str | None, int]:
        if limit < 1:
            raise Invalid(f"limit is {limit}; it must be at least 1", code="invalid_limit")
        place = _place(cursor)
        found = []
        total = 0
        for source in _SOURCES if incident is None else _SOURCES[1:]:
            conditions = self._conditions(source, start, end, actor, incident)
            # The number of lines, counting no further than the limit.
            lines = select(literal(1)).select_from(source.table).where(*conditions).limit(TOTAL_LIMIT)
            total += self._connection.execute(select(func.count()).select_from(lines.subquery())).scalar_one()
            found.append(self._newest(source, conditions, place, limit))
        rows = list(heapq.merge(*found, key=lambda row: (row.at, row.chain, row.version), reverse=True))[: limit + 1]
        entries = [_entry(row) for row in rows[:limit]]
        total = min(total, TOTAL_LIMIT)
        if len(rows) <= limit:
            return entries, None, total
        last = rows[limit - 1]
        return entries, cursor_after(_ORDER, (last.at, last.chain, last.version)), total

    def heads(self, *, since_incident: str | None = None, limit: int = 1000) -> list[HeadHash]:
        if since_incident == TENANT_CHAIN:
            return []
        wanted = {"of_tenant": self._tenant, "after": since_incident or "", "most": limit}
        rows = self._connection.execute(_INCIDENT_HEADS, wanted)
        found = [HeadHash(chain_id=row.id, version=row.version, digest=row.head) for row in rows]
        if len(found) < limit:
            head = self._connection.execute(_HEAD, {"of_tenant": self._tenant}).one_or_none()
            if head is not None:
                found.append(HeadHash(chain_id=TENANT_CHAIN, version=head.version, digest=head.digest))
        return found

    def chain(self, chain_id: str, *, after_version: int = 0, limit: int = 1000) -> list[StoredChange]:
        wanted: dict[str, Any] = {"of_tenant": self._tenant, "after": after_version, "most": limit}
        if chain_id == TENANT_CHAIN:
            rows = self._connection.execute(_TENANT_LINKS, wanted)
        else:
            rows = self._connection.execute(_INCIDENT_LINKS, wanted | {"of_id": chain_id})
        return [StoredChange(incident_id=chain_id, **row._mapping) for row in rows]

    def _conditions(
        self, source: _Source, start: datetime | None, end: datetime | None, actor: str | None, incident: str | None
    ) -> list[ColumnElement[bool]]:
        columns = source.table.c
        found = [columns.tenant == self._tenant]
        if start is not None:
            found.append(columns.at >= micros(start))
        if end is not None:
            found.append(columns.at < micros(end))
        if actor is not None:
            found.append(columns.actor == actor)
        if incident is not None:
            found.append(columns.incident_id == incident)
        return found

    def _newest(
        self,
        source: _Source,
        conditions: list[ColumnElement[bool]],
        place: tuple[int, str, int] | None,
        limit: int,
    ) -> list[Row[Any]]:
        columns = source.table.c
        # One page of one of the two tables, newest first.
        query = select(columns.at, source.chain.label("chain"), columns.version, columns.body).where(*conditions)
        if place is not None:
            at, chain_id, version = place
            behind = or_(source.chain < chain_id, and_(source.chain == chain_id, columns.version < version))
            query = query.where(columns.at <= at, or_(columns.at < at, behind))
        order = (
            [columns.at, columns.version] if source.table is AUDIT_LOG else [columns.at, source.chain, columns.version]
        )
        return list(self._connection.execute(query.order_by(*(each.desc() for each in order)).limit(limit + 1)))


def _place(cursor: str | None) -> tuple[int, str, int] | None:
    if cursor is None:
        return None
    match place_of(cursor, _ORDER):
        case (int(at), str(chain_id), int(version)):
            return at, chain_id, version
        case _:
            raise Invalid("the cursor is not one of ours; start without a cursor", code="invalid_cursor")


def _entry(row: Row[Any]) -> StoredAudit:
    if row.chain == TENANT_CHAIN:
        event_type, incident_id = msgspec.json.decode(row.body, type=AuditEntry).event_type, None
    else:
        kinds = _PEEK.decode(row.body).changes
        event_type, incident_id = (kinds[0].change if kinds else "nothing"), row.chain
    return StoredAudit(
        id=_id(row.chain, row.version),
        at=instant(row.at),
        event_type=event_type,
        incident_id=incident_id,
        body=row.body,
    )


def _id(chain_id: str, version: int) -> str:
    return f"{chain_id}:{version}"
