"""Event identities, kept for ever, and payloads, kept for a while."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import BindParameter, Connection, Row, and_, bindparam, func, or_, select, tuple_, update

from llm_incident_manager.domain.events.event import Event
from llm_incident_manager.engine.event_store import Key, Place
from llm_incident_manager.engine.rows import StoredEvent
from llm_incident_manager.errors import Invalid
from llm_incident_manager.storage.bulk import insert_packed, packed
from llm_incident_manager.storage.cursors import cursor_after, place_of
from llm_incident_manager.storage.instants import instant, micros
from llm_incident_manager.storage.schema import EVENT_KEYS, EVENTS
from llm_incident_manager.storage.statements import insert, pieces

_TENANT: BindParameter[Any] = bindparam("of_tenant")
_IDS: BindParameter[Any] = bindparam("ids", expanding=True)
# Which identities of one source are known.
_KNOWN = select(EVENT_KEYS.c.event_id, EVENT_KEYS.c.incident_id).where(
    EVENT_KEYS.c.tenant == _TENANT, EVENT_KEYS.c.source == bindparam("of_source"), EVENT_KEYS.c.event_id.in_(_IDS)
)
_KEY_COLUMNS = ("tenant", "source", "event_id", "incident_id")
# Payloads; a repeated batch finds them there.
_INSERT = insert(EVENTS).on_conflict_do_nothing()
# An incident's payloads, newest first.
_OF_INCIDENT = (
    select(EVENTS)
    .where(EVENTS.c.tenant == _TENANT, EVENTS.c.incident_id == bindparam("of_id"))
    .order_by(EVENTS.c.received_at.desc(), EVENTS.c.source.desc(), EVENTS.c.event_id.desc())
    .limit(bindparam("most"))
)
_AFTER = _OF_INCIDENT.where(
    EVENTS.c.received_at <= bindparam("at"),
    or_(
        EVENTS.c.received_at < bindparam("at"),
        EVENTS.c.source < bindparam("source"),
        and_(EVENTS.c.source == bindparam("source"), EVENTS.c.event_id < bindparam("event_id")),
    ),
)
# How many payloads incidents have.
_COUNT = (
    select(EVENTS.c.incident_id, func.count())
    .where(EVENTS.c.tenant == _TENANT, EVENTS.c.incident_id.in_(_IDS))
    .group_by(EVENTS.c.incident_id)
)
# All payloads of a tenant in the order of their key, from a place on.
_KEY_OF = (EVENTS.c.incident_id, EVENTS.c.received_at, EVENTS.c.source, EVENTS.c.event_id)
_ALL = select(EVENTS).where(EVENTS.c.tenant == _TENANT).order_by(*_KEY_OF).limit(bindparam("most"))
_ALL_AFTER = _ALL.where(tuple_(*_KEY_OF) > tuple_(*(bindparam(f"after_{each.name}") for each in _KEY_OF)))
# A payload again, encrypted with another key.
_REWRITE = (
    update(EVENTS)
    .where(EVENTS.c.tenant == _TENANT, *(each == bindparam(f"of_{each.name}") for each in _KEY_OF))
    .values(payload=bindparam("new_payload"))
)
_ORDER = "events"


class SqlEvents:
    """The events of one tenant in one transaction."""

    def __init__(self, connection: Connection, tenant: str) -> None:
        self._connection = connection
        self._tenant = tenant

    def known(self, keys: Iterable[Key]) -> dict[Key, str | None]:
        by_source: dict[str, set[str]] = defaultdict(set)
        for source, event_id in keys:
            by_source[source].add(event_id)
        found: dict[Key, str | None] = {}
        for source, event_ids in by_source.items():
            for piece in pieces(sorted(event_ids)):
                rows = self._connection.execute(_KNOWN, {"of_tenant": self._tenant, "of_source": source, "ids": piece})
                found.update(((source, row.event_id), row.incident_id) for row in rows)
        return found

    def add(self, keyed: Sequence[tuple[Event, str | None]]) -> set[Key]:
        rows = {(event.source, event.event_id): incident_id for event, incident_id in reversed(keyed)}
        if not rows:
            return set()
        # In one order on every node, so that two batches wait for each other instead of blocking each other for good.
        ordered = [(self._tenant, *key, rows[key]) for key in sorted(rows)]
        statement = insert_packed(EVENT_KEYS, _KEY_COLUMNS, self._connection.dialect.name)
        return {(source, event_id) for source, event_id in self._connection.execute(statement, packed(ordered))}

    def keep(self, events: Sequence[StoredEvent]) -> None:
        if events:
            rows = [
                {
                    "tenant": self._tenant,
                    "incident_id": event.incident_id or "",
                    "received_at": micros(event.received_at),
                    "source": event.source,
                    "event_id": event.event_id,
                    "payload": event.payload,
                }
                for event in events
            ]
            self._connection.execute(_INSERT, rows)

    def of_incident(self, incident_id: str, *, limit: int, cursor: str | None) -> tuple[list[StoredEvent], str | None]:
        wanted = {"of_tenant": self._tenant, "of_id": incident_id, "most": limit + 1}
        query = _OF_INCIDENT
        if cursor is not None:
            query = _AFTER
            place = place_of(cursor, _ORDER)
            if len(place) != 3:
                raise Invalid("the cursor is not one of ours; start without a cursor", code="invalid_cursor")
            wanted |= dict(zip(("at", "source", "event_id"), place, strict=True))
        rows = self._connection.execute(query, wanted).all()
        found = [self._stored(row) for row in rows[:limit]]
        if len(rows) <= limit:
            return found, None
        last = rows[limit - 1]
        return found, cursor_after(_ORDER, (last.received_at, last.source, last.event_id))

    def all(self, *, after: Place | None, limit: int) -> tuple[list[StoredEvent], Place | None]:
        wanted: dict[str, Any] = {"of_tenant": self._tenant, "most": limit}
        if after is not None:
            wanted |= {f"after_{column.name}": value for column, value in zip(_KEY_OF, after, strict=True)}
        rows = self._connection.execute(_ALL if after is None else _ALL_AFTER, wanted).all()
        last = rows[-1] if len(rows) == limit else None
        place = (last.incident_id, last.received_at, last.source, last.event_id) if last is not None else None
        return [self._stored(row) for row in rows], place

    def rewrite(self, events: Sequence[StoredEvent]) -> None:
        if events:
            rows = [
                {
                    "of_tenant": self._tenant,
                    "of_incident_id": event.incident_id or "",
                    "of_received_at": micros(event.received_at),
                    "of_source": event.source,
                    "of_event_id": event.event_id,
                    "new_payload": event.payload,
                }
                for event in events
            ]
            self._connection.execute(_REWRITE, rows)

    def kept_count(self, incident_ids: Iterable[str]) -> dict[str, int]:
        wanted = list(dict.fromkeys(incident_ids))
        counted = dict.fromkeys(wanted, 0)
        for piece in pieces(wanted):
            for incident_id, number in self._connection.execute(_COUNT, {"of_tenant": self._tenant, "ids": piece}):
                counted[incident_id] = number
        return counted

    def _stored(self, row: Row[Any]) -> StoredEvent:
        return StoredEvent(
            tenant=self._tenant,
            source=row.source,
            event_id=row.event_id,
            incident_id=row.incident_id or None,
            received_at=instant(row.received_at),
            payload=row.payload,
        )
