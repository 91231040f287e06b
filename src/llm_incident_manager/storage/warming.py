"""What a starting node reads into memory: open fingerprints, the ids given last, identities of events; and the size."""

from datetime import datetime, timedelta

from sqlalchemy import Connection, and_, bindparam, func, select, text, tuple_, union_all

from llm_incident_manager.engine.rows import OpenFingerprint
from llm_incident_manager.ids import incident_id
from llm_incident_manager.storage.incident_rows import day_number
from llm_incident_manager.storage.schema import EVENT_KEYS, INCIDENT_ALIASES, INCIDENTS

DAYS_BACK = 40

# Open incidents in order of tenant and id; the bound is hidden, so that the index of the open ones is read.
_OPEN = (
    select(INCIDENTS.c.tenant, INCIDENTS.c.fingerprint, INCIDENTS.c.id)
    .where(
        INCIDENTS.c.is_open,
        tuple_(func.coalesce(INCIDENTS.c.tenant, ""), INCIDENTS.c.id)
        > tuple_(bindparam("after_tenant"), bindparam("after_id")),
    )
    .order_by(INCIDENTS.c.tenant, INCIDENTS.c.id)
    .limit(bindparam("most"))
)
# The highest number within one day, of incidents and of ids that became aliases.
_HIGHEST = union_all(
    *(
        select(func.max(table.c.number).label("number")).where(
            and_(table.c.number >= bindparam("first"), table.c.number < bindparam("beyond"))
        )
        for table in (INCIDENTS, INCIDENT_ALIASES)
    )
)
# Identities in the order of the primary key.
_KEYS = (
    select(EVENT_KEYS.c.tenant, EVENT_KEYS.c.source, EVENT_KEYS.c.event_id)
    .where(
        tuple_(EVENT_KEYS.c.tenant, EVENT_KEYS.c.source, EVENT_KEYS.c.event_id)
        > tuple_(bindparam("after_tenant"), bindparam("after_source"), bindparam("after_id"))
    )
    .order_by(EVENT_KEYS.c.tenant, EVENT_KEYS.c.source, EVENT_KEYS.c.event_id)
    .limit(bindparam("most"))
)
# Bytes, as each database counts its own.
_SIZE = {
    "sqlite": text("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"),
    "postgresql": text("SELECT pg_database_size(current_database())"),
}


def open_fingerprints(connection: Connection, after: str | None, limit: int) -> list[OpenFingerprint]:
    """Return open incidents of all tenants behind ``tenant/incident_id``."""
    tenant, _, last = (after or "").rpartition("/")
    rows = connection.execute(_OPEN, {"after_tenant": tenant, "after_id": last, "most": limit})
    return [OpenFingerprint(tenant=row.tenant, fingerprint=row.fingerprint, incident_id=row.id) for row in rows]


def last_incident_ids(connection: Connection, now: datetime) -> list[str]:
    """Return the highest id of each UTC day from 40 days ago to tomorrow (another node's clock may be ahead)."""
    found = []
    for back in range(-1, DAYS_BACK):
        day = (now - timedelta(days=back)).date()
        first = day_number(incident_id(day, 0))
        beyond = day_number(incident_id(day + timedelta(days=1), 0))
        numbers = connection.execute(_HIGHEST, {"first": first, "beyond": beyond}).scalars()
        highest = max((number for number in numbers if number is not None), default=None)
        if highest is not None and first is not None:
            found.append(incident_id(day, highest - first))
    return found


def event_keys(connection: Connection, after: tuple[str, str, str] | None, limit: int) -> list[tuple[str, str, str]]:
    """Return identities of events behind ``after``."""
    tenant, source, last = after or ("", "", "")
    wanted = {"after_tenant": tenant, "after_source": source, "after_id": last, "most": limit}
    return [(row.tenant, row.source, row.event_id) for row in connection.execute(_KEYS, wanted)]


def database_size(connection: Connection) -> int:
    """Return the bytes that the database takes."""
    return int(connection.execute(_SIZE[connection.dialect.name]).scalar_one())
