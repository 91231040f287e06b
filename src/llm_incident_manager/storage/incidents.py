"""③ Incidents: the change log is the truth and the lock, the row its projection; both are written together."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import BindParameter, Connection, and_, bindparam, delete, func, select, update
from sqlalchemy.exc import IntegrityError

from llm_incident_manager.domain.audit.chain import genesis, link_digest
from llm_incident_manager.domain.incidents.changes import ChangeSet, FieldsChanged
from llm_incident_manager.domain.incidents.incident import Incident
from llm_incident_manager.engine.rows import IncidentFilter, IncidentPage, StoredChange
from llm_incident_manager.errors import Conflict, NotFound
from llm_incident_manager.storage import incident_figures as figures
from llm_incident_manager.storage.incident_rows import changing, day_number, row_of
from llm_incident_manager.storage.instants import micros
from llm_incident_manager.storage.schema import (
    INCIDENT_ALIASES,
    INCIDENT_BODIES,
    INCIDENT_CHANGES,
    INCIDENT_TAGS,
    INCIDENTS,
)
from llm_incident_manager.storage.search import search
from llm_incident_manager.storage.statements import insert, pieces

_TENANT: BindParameter[Any] = bindparam("of_tenant")
_IDS: BindParameter[Any] = bindparam("ids", expanding=True)
_FINGERPRINTS: BindParameter[Any] = bindparam("fingerprints", expanding=True)
_JOINED = and_(INCIDENT_BODIES.c.tenant == INCIDENTS.c.tenant, INCIDENT_BODIES.c.incident_id == INCIDENTS.c.id)
_STORED = select(INCIDENTS.c.id, INCIDENTS.c.version, INCIDENTS.c.head, INCIDENT_BODIES.c.body).join(
    INCIDENT_BODIES, _JOINED
)

# Incidents by id.
_BY_ID = _STORED.where(INCIDENTS.c.tenant == _TENANT, INCIDENTS.c.id.in_(_IDS))
# Makes others wait who want to change the incident too.
_LOCK = (
    select(INCIDENTS.c.version)
    .where(INCIDENTS.c.tenant == _TENANT, INCIDENTS.c.id == bindparam("of_id"))
    .with_for_update()
)
# The same for the open incident of each fingerprint, in one order on every node.
_LOCK_OPEN = (
    select(INCIDENTS.c.version)
    .where(INCIDENTS.c.tenant == _TENANT, INCIDENTS.c.is_open, INCIDENTS.c.fingerprint.in_(_FINGERPRINTS))
    .order_by(INCIDENTS.c.fingerprint)
    .with_for_update()
)
# The open incident of each fingerprint.
_OPEN = _STORED.where(INCIDENTS.c.tenant == _TENANT, INCIDENTS.c.is_open, INCIDENTS.c.fingerprint.in_(_FINGERPRINTS))
# What reserved ids stand for.
_ALIASES = select(INCIDENT_ALIASES.c.id, INCIDENT_ALIASES.c.incident_id).where(
    INCIDENT_ALIASES.c.tenant == _TENANT, INCIDENT_ALIASES.c.id.in_(_IDS)
)
# The newest incident of each fingerprint (the bare column of SQLite's max() is not PostgreSQL, hence the order).
_LAST = (
    select(INCIDENTS.c.fingerprint, INCIDENTS.c.id)
    .where(INCIDENTS.c.tenant == _TENANT, INCIDENTS.c.fingerprint.in_(_FINGERPRINTS))
    .order_by(INCIDENTS.c.fingerprint, INCIDENTS.c.created_at, INCIDENTS.c.number, INCIDENTS.c.id)
)
# New incidents; a fingerprint that is open already, or a known id, is left out.
_INSERT = insert(INCIDENTS).on_conflict_do_nothing().returning(INCIDENTS.c.id)
_INSERT_BODY = insert(INCIDENT_BODIES)
_INSERT_CHANGE = insert(INCIDENT_CHANGES)
_INSERT_TAG = insert(INCIDENT_TAGS)
_INSERT_ALIAS = insert(INCIDENT_ALIASES).on_conflict_do_nothing()
_NEVER_CHANGES = {"tenant", "id", "number", "created_at", "fingerprint", "source", "imported"}
# The next version of an incident, if nobody else has written it.
_UPDATE = (
    update(INCIDENTS)
    .where(
        INCIDENTS.c.tenant == _TENANT,
        INCIDENTS.c.id == bindparam("of_id"),
        INCIDENTS.c.version == bindparam("of_version"),
    )
    .values({column.name: bindparam(column.name) for column in INCIDENTS.c if column.name not in _NEVER_CHANGES})
)
_UPDATE_BODY = (
    update(INCIDENT_BODIES)
    .where(INCIDENT_BODIES.c.tenant == _TENANT, INCIDENT_BODIES.c.incident_id == bindparam("of_id"))
    .values(body=bindparam("body"))
)
_DELETE_TAGS = delete(INCIDENT_TAGS).where(
    INCIDENT_TAGS.c.tenant == _TENANT, INCIDENT_TAGS.c.incident_id == bindparam("of_id")
)
# Digests of the newest change sets.
_HEADS = select(INCIDENTS.c.id, INCIDENTS.c.version, INCIDENTS.c.head).where(
    INCIDENTS.c.tenant == _TENANT, INCIDENTS.c.id.in_(_IDS)
)
# The change sets of one incident, in order.
_CHANGES = (
    select(
        INCIDENT_CHANGES.c.incident_id,
        INCIDENT_CHANGES.c.version,
        INCIDENT_CHANGES.c.body,
        INCIDENT_CHANGES.c.previous,
        INCIDENT_CHANGES.c.digest,
    )
    .where(
        INCIDENT_CHANGES.c.tenant == _TENANT,
        INCIDENT_CHANGES.c.incident_id == bindparam("of_id"),
        INCIDENT_CHANGES.c.version > bindparam("after"),
    )
    .order_by(INCIDENT_CHANGES.c.version)
    .limit(bindparam("most"))
)
# How many open incidents each person and each team has.
_OPEN_OF_USERS, _OPEN_OF_TEAMS = (
    select(holder, func.count())
    .where(INCIDENTS.c.tenant == _TENANT, INCIDENTS.c.is_open, holder.in_(bindparam("names", expanding=True)))
    .group_by(holder)
    for holder in (INCIDENTS.c.assigned_to, INCIDENTS.c.assigned_team)
)
_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(Incident)


class SqlIncidents:
    """The incidents of one tenant in one transaction."""

    def __init__(self, connection: Connection, tenant: str, *, locks: bool = False) -> None:
        self._connection = connection
        self._tenant = tenant
        self._locks = locks
        # Digests of what this transaction has read, so that appending needs no second look.
        self._heads: dict[tuple[str, int], bytes] = {}

    def get(self, incident_id: str) -> Incident:
        """Return the incident; nobody else changes it until a write transaction ends. Raises NotFound."""
        if self._locks:
            # A statement of its own: what follows sees what whoever held the lock has written.
            self._connection.execute(_LOCK, {"of_tenant": self._tenant, "of_id": incident_id})
        found = self.get_many([incident_id]).get(incident_id)
        if found is None:
            raise NotFound(f"there is no incident {incident_id}", incident_id=incident_id)
        return found

    def get_many(self, incident_ids: Iterable[str]) -> dict[str, Incident]:
        wanted = list(dict.fromkeys(incident_ids))
        found = self._by_id(wanted)
        missing = [each for each in wanted if each not in found]
        if not missing:
            return found
        aliases: dict[str, str] = {}
        for piece in pieces(missing):
            rows = self._connection.execute(_ALIASES, {"of_tenant": self._tenant, "ids": piece})
            aliases.update((row.id, row.incident_id) for row in rows)
        if aliases:
            targets = self._by_id(list(set(aliases.values())))
            found.update((alias, targets[to]) for alias, to in aliases.items() if to in targets)
        return found

    def open_by_fingerprint(self, fingerprints: Iterable[str]) -> dict[str, Incident]:
        """Return what is open by fingerprint; nobody else changes it until a write transaction ends."""
        found = {}
        for piece in pieces(sorted(set(fingerprints))):
            wanted = {"of_tenant": self._tenant, "fingerprints": piece}
            if self._locks:
                self._connection.execute(_LOCK_OPEN, wanted)
            rows = self._connection.execute(_OPEN, wanted)
            for row in rows:
                incident = self._decoded(row)
                found[incident.fingerprint] = incident
        return found

    def last_by_fingerprint(self, fingerprints: Iterable[str]) -> dict[str, str]:
        found: dict[str, str] = {}
        for piece in pieces(list(dict.fromkeys(fingerprints))):
            rows = self._connection.execute(_LAST, {"of_tenant": self._tenant, "fingerprints": piece})
            found.update((row.fingerprint, row.id) for row in rows)
        return found

    def open(self, opened: Sequence[tuple[Incident, ChangeSet]]) -> dict[str, Incident]:
        if not opened:
            return {}
        # In one order on every node, so that two batches wait for each other instead of blocking each other for good.
        ordered = sorted(opened, key=lambda pair: pair[0].fingerprint)
        links = {}
        rows = []
        for incident, change_set in ordered:
            link = self._link(incident, change_set, genesis(self._tenant, incident.id))
            links[incident.id] = link
            rows.append(row_of(incident, link["digest"]))
        inserted = set(self._connection.execute(_INSERT, rows).scalars())
        written = [incident for incident, _ in ordered if incident.id in inserted]
        if written:
            self._insert_bodies(written)
            self._insert_tags(written)
            self._connection.execute(_INSERT_CHANGE, [links[incident.id] for incident in written])
            self._heads.update(((incident.id, 1), links[incident.id]["digest"]) for incident in written)
        return self._winners([incident for incident, _ in ordered if incident.id not in inserted])

    def append(self, appended: Sequence[tuple[Incident, ChangeSet]]) -> None:
        if not appended:
            return
        ordered = sorted(appended, key=lambda pair: pair[0].id)
        heads = self._known_heads([incident for incident, _ in ordered])
        links = [self._link(incident, changes, heads[incident.id]) for incident, changes in ordered]
        rows = [
            {"of_tenant": self._tenant, "of_id": incident.id, "of_version": incident.version - 1}
            | {name: value for name, value in changing(incident, link["digest"]).items() if name not in _NEVER_CHANGES}
            for (incident, _), link in zip(ordered, links, strict=True)
        ]
        try:
            result = self._connection.execute(_UPDATE, rows)
        except IntegrityError as fault:
            raise Conflict(
                "another incident of this fingerprint is open; act on that one", code="fingerprint_open"
            ) from fault
        if result.rowcount != len(rows):
            raise _stale([incident.id for incident, _ in ordered])
        self._connection.execute(
            _UPDATE_BODY,
            [
                {"of_tenant": self._tenant, "of_id": incident.id, "body": _ENCODER.encode(incident)}
                for incident, _ in ordered
            ],
        )
        self._connection.execute(_INSERT_CHANGE, links)
        for (incident, _), link in zip(ordered, links, strict=True):
            self._heads[incident.id, incident.version] = link["digest"]
        retagged = [incident for incident, changes in ordered if _retags(changes)]
        if retagged:
            self._connection.execute(
                _DELETE_TAGS, [{"of_tenant": self._tenant, "of_id": incident.id} for incident in retagged]
            )
            self._insert_tags(retagged)

    def changes(self, incident_id: str, *, after_version: int = 0, limit: int = 1000) -> list[StoredChange]:
        rows = self._connection.execute(
            _CHANGES, {"of_tenant": self._tenant, "of_id": incident_id, "after": after_version, "most": limit}
        )
        return [StoredChange(**row._mapping) for row in rows]

    def alias(self, reserved_id: str, incident_id: str) -> None:
        self._insert_aliases([(reserved_id, incident_id)])

    def search(self, wanted: IncidentFilter) -> IncidentPage:
        ids, next_cursor, total = search(self._connection, self._tenant, wanted)
        found = self._by_id(ids)
        return IncidentPage(
            incidents=tuple(found[each] for each in ids),
            next_cursor=next_cursor,
            total=total.matches,
            total_at_least=total.at_least,
        )

    def counts(self) -> dict[str, dict[str, int]]:
        return figures.counts(self._connection, self._tenant)

    def open_counts(self, *, users: Sequence[str], teams: Sequence[str]) -> dict[str, int]:
        counts: dict[str, int] = {}
        for kind, statement, names in (("user", _OPEN_OF_USERS, users), ("team", _OPEN_OF_TEAMS, teams)):
            if names:
                rows = self._connection.execute(statement, {"of_tenant": self._tenant, "names": list(names)})
                counts |= {f"{kind}:{name}": number for name, number in rows}
        return counts

    def without_next_step(self, limit: int = 100) -> list[str]:
        return figures.without_next_step(self._connection, self._tenant, limit)

    def times(self, start: datetime | None, end: datetime | None) -> list[dict[str, Any]]:
        return figures.times(self._connection, self._tenant, start, end)

    def _by_id(self, ids: Sequence[str]) -> dict[str, Incident]:
        found = {}
        for piece in pieces(ids):
            for row in self._connection.execute(_BY_ID, {"of_tenant": self._tenant, "ids": piece}):
                found[row.id] = self._decoded(row)
        return found

    def _decoded(self, row: Any) -> Incident:
        self._heads[row.id, row.version] = row.head
        return _DECODER.decode(row.body)

    def _link(self, incident: Incident, changes: ChangeSet, previous: bytes) -> dict[str, Any]:
        body = _ENCODER.encode(changes)
        return {
            "tenant": self._tenant,
            "incident_id": incident.id,
            "version": incident.version,
            "at": micros(changes.at),
            "actor": changes.by.id,
            "body": body,
            "previous": previous,
            "digest": link_digest(previous, body),
        }

    def _known_heads(self, incidents: Sequence[Incident]) -> dict[str, bytes]:
        """Return the digest each new change set follows; raises Conflict where the stored version is another."""
        heads = {each.id: self._heads.get((each.id, each.version - 1)) for each in incidents}
        missing = [incident_id for incident_id, head in heads.items() if head is None]
        for piece in pieces(missing):
            for row in self._connection.execute(_HEADS, {"of_tenant": self._tenant, "ids": piece}):
                self._heads[row.id, row.version] = row.head
        known = {each.id: self._heads.get((each.id, each.version - 1)) for each in incidents}
        stale = [incident_id for incident_id, head in known.items() if head is None]
        if stale:
            raise _stale(stale)
        return {incident_id: head for incident_id, head in known.items() if head is not None}

    def _insert_bodies(self, incidents: Sequence[Incident]) -> None:
        self._connection.execute(
            _INSERT_BODY,
            [
                {"tenant": self._tenant, "incident_id": incident.id, "body": _ENCODER.encode(incident)}
                for incident in incidents
            ],
        )

    def _insert_tags(self, incidents: Sequence[Incident]) -> None:
        rows = [
            {"tenant": self._tenant, "key": key, "value": value, "incident_id": incident.id}
            for incident in incidents
            for key, value in incident.tags.items()
        ]
        if rows:
            self._connection.execute(_INSERT_TAG, rows)

    def _winners(self, losers: Sequence[Incident]) -> dict[str, Incident]:
        """Return the incidents that were open already, by fingerprint, and let the losers' ids answer with them."""
        if not losers:
            return {}
        winners = self.open_by_fingerprint(incident.fingerprint for incident in losers)
        # The id itself is known: this opening was committed before, whatever became of the incident since.
        repeated = self.get_many(incident.id for incident in losers)
        aliases = []
        for loser in losers:
            if loser.id in repeated:
                winners[loser.fingerprint] = repeated[loser.id]
            elif loser.fingerprint in winners:
                aliases.append((loser.id, winners[loser.fingerprint].id))
            else:
                raise Conflict(f"the open incident of {loser.fingerprint} ended just now; try again")
        self._insert_aliases(aliases)
        return winners

    def _insert_aliases(self, aliases: Sequence[tuple[str, str]]) -> None:
        if aliases:
            self._connection.execute(
                _INSERT_ALIAS,
                [
                    {"tenant": self._tenant, "id": reserved, "incident_id": stands_for, "number": day_number(reserved)}
                    for reserved, stands_for in aliases
                ],
            )


def _retags(changes: ChangeSet) -> bool:
    return any(isinstance(each, FieldsChanged) and "tags" in each.after for each in changes.changes)


def _stale(incident_ids: Sequence[str]) -> Conflict:
    return Conflict(
        f"somebody changed {', '.join(incident_ids[:5])} first; read it again and decide again",
        code="version_conflict",
        incident_ids=list(incident_ids),
    )
