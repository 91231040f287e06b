"""Every table. All carry the tenant first, except tenants, links, leases, checkpoints and the outbox's running id.

Instants are microseconds since 1970 in UTC. Bodies are the bytes as encoded once, never re-encoded: hashes cover them.
Tables of narrow rows are clustered on SQLite (``WITHOUT ROWID``); those that hold bodies are not, because SQLite moves
long rows of clustered tables to overflow pages.
"""

from sqlalchemy import BigInteger, Column, Float, Index, Table, text

from llm_incident_manager.storage.columns import (
    SCHEMA,
    SERIAL,
    bytes_column,
    flag_column,
    instant_column,
    name_column,
    number_column,
)
from llm_incident_manager.storage.sender_tables import ALERTS as ALERTS
from llm_incident_manager.storage.sender_tables import FINGERPRINT_NOTES as FINGERPRINT_NOTES
from llm_incident_manager.storage.sender_tables import HEARTBEATS as HEARTBEATS

TENANTS = Table("tenants", SCHEMA, name_column("id", key=True), name_column("name"), instant_column("created_at"))

# What lists filter and sort by; the incident itself stands in incident_bodies, so that scanning stays cheap.
INCIDENTS = Table(
    "incidents",
    SCHEMA,
    name_column("tenant", key=True),
    name_column("id", key=True),
    # yyyymmdd and nine digits: the highest number of a day is one seek; null where the id is not of §5.2's form.
    Column("number", BigInteger),
    name_column("fingerprint"),
    name_column("severity"),
    name_column("status"),
    flag_column("is_open"),
    name_column("category"),
    name_column("source"),
    name_column("environment", null=True),
    # Severity, status, category and environment as one number, see facets.py.
    number_column("facets"),
    name_column("assigned_to", null=True),
    name_column("assigned_team", null=True),
    instant_column("created_at"),
    instant_column("updated_at"),
    instant_column("last_event_at"),
    instant_column("acknowledged_at", null=True),
    instant_column("resolved_at", null=True),
    instant_column("closed_at", null=True),
    instant_column("ended_at", null=True),
    instant_column("acknowledgment_deadline", null=True),
    instant_column("resolution_deadline", null=True),
    flag_column("acknowledgment_breached"),
    flag_column("resolution_breached"),
    Column("mttd", Float(53)),
    Column("mtta", Float(53)),
    Column("mttr", Float(53)),
    Column("event_count", BigInteger, nullable=False),
    name_column("ladder_state"),
    name_column("ladder_reason"),
    flag_column("imported"),
    number_column("version"),
    number_column("revision"),
    bytes_column("head"),
    # Title, id, source and resource in folded case, for the text search.
    name_column("words"),
    sqlite_with_rowid=False,
)
# Written out, because each database compares flags in its own way, and a partial index serves only the same words.
_OPEN_POSTGRES, _OPEN_SQLITE = text("is_open"), text("is_open = 1")
_ENDED = INCIDENTS.c.ended_at.is_not(None)
Index(
    "uq_incidents_open_fingerprint",
    INCIDENTS.c.tenant,
    INCIDENTS.c.fingerprint,
    unique=True,
    sqlite_where=_OPEN_SQLITE,
    postgresql_where=_OPEN_POSTGRES,
)
# The indexes that lead a search hold what any filter asks about, so that only the page itself is looked up. Those of
# names go on with the facets, so that a name with any severity, status, category and environment is a few seeks.
_C = INCIDENTS.c
_ASKED = (_C.updated_at, _C.source, _C.assigned_team, _C.assigned_to)
# The flag is a column of its index too, because SQLite would otherwise look it up in the table.
Index(
    "ix_incidents_open",
    *(_C.tenant, _C.is_open, _C.id, _C.severity, _C.facets, _C.created_at, _C.last_event_at, *_ASKED),
    sqlite_where=_OPEN_SQLITE,
    postgresql_where=_OPEN_POSTGRES,
)
Index("ix_incidents_ended", _C.ended_at, sqlite_where=_ENDED, postgresql_where=_ENDED)
Index("ix_incidents_number", _C.number)
Index("ix_incidents_fingerprint", _C.tenant, _C.fingerprint, _C.created_at)
Index("ix_incidents_created", _C.tenant, _C.created_at, _C.id, _C.facets, *_ASKED)
Index("ix_incidents_updated", _C.tenant, _C.updated_at, _C.id, _C.facets, _C.created_at, *_ASKED[1:])
Index("ix_incidents_last_event", _C.tenant, _C.last_event_at, _C.id)
Index("ix_incidents_facets", _C.tenant, _C.facets, _C.created_at, _C.id, _C.updated_at)
for _name_of in _ASKED[1:]:
    _others = (each for each in _ASKED if each is not _name_of)
    Index(f"ix_incidents_{_name_of.name}", _C.tenant, _name_of, _C.facets, _C.created_at, _C.id, *_others)

INCIDENT_BODIES = Table(
    "incident_bodies", SCHEMA, name_column("tenant", key=True), name_column("incident_id", key=True), bytes_column("body")
)

INCIDENT_TAGS = Table(
    "incident_tags",
    SCHEMA,
    name_column("tenant", key=True),
    name_column("key", key=True),
    name_column("value", key=True),
    name_column("incident_id", key=True),
    sqlite_with_rowid=False,
)
Index("ix_incident_tags_incident", INCIDENT_TAGS.c.tenant, INCIDENT_TAGS.c.incident_id)

# A reserved id whose fingerprint was open already answers with the incident that won.
INCIDENT_ALIASES = Table(
    "incident_aliases",
    SCHEMA,
    name_column("tenant", key=True),
    name_column("id", key=True),
    name_column("incident_id"),
    Column("number", BigInteger),
    sqlite_with_rowid=False,
)
Index("ix_incident_aliases_incident", INCIDENT_ALIASES.c.tenant, INCIDENT_ALIASES.c.incident_id)
Index("ix_incident_aliases_number", INCIDENT_ALIASES.c.number)

INCIDENT_CHANGES = Table(
    "incident_changes",
    SCHEMA,
    name_column("tenant", key=True),
    name_column("incident_id", key=True),
    number_column("version", key=True),
    instant_column("at"),
    name_column("actor"),
    bytes_column("body"),
    bytes_column("previous"),
    bytes_column("digest"),
)
Index(
    "ix_incident_changes_at",
    INCIDENT_CHANGES.c.tenant,
    INCIDENT_CHANGES.c.at,
    INCIDENT_CHANGES.c.incident_id,
    INCIDENT_CHANGES.c.version,
)
Index("ix_incident_changes_actor", INCIDENT_CHANGES.c.tenant, INCIDENT_CHANGES.c.actor, INCIDENT_CHANGES.c.at)

AUDIT_LOG = Table(
    "audit_log",
    SCHEMA,
    name_column("tenant", key=True),
    number_column("version", key=True),
    instant_column("at"),
    name_column("actor"),
    name_column("event_type"),
    bytes_column("body"),
    bytes_column("previous"),
    bytes_column("digest"),
)
Index("ix_audit_log_at", AUDIT_LOG.c.tenant, AUDIT_LOG.c.at, AUDIT_LOG.c.version)

AUDIT_HEADS = Table(
    "audit_heads", SCHEMA, name_column("tenant", key=True), number_column("version"), bytes_column("digest"), sqlite_with_rowid=False
)

EVENT_KEYS = Table(
    "event_keys",
    SCHEMA,
    name_column("tenant", key=True),
    name_column("source", key=True),
    name_column("event_id", key=True),
    name_column("incident_id", null=True),
    sqlite_with_rowid=False,
)

# The instant of receipt is part of the key, so that the table can be partitioned by it. No incident: ''.
EVENTS = Table(
    "events",
    SCHEMA,
    name_column("tenant", key=True),
    name_column("incident_id", key=True),
    Column("received_at", BigInteger, primary_key=True, autoincrement=False),
    name_column("source", key=True),
    name_column("event_id", key=True),
    bytes_column("payload"),
)
Index("ix_events_received", EVENTS.c.received_at)

TIMERS = Table(
    "timers",
    SCHEMA,
    name_column("tenant", key=True),
    name_column("incident_id", key=True),
    name_column("kind", key=True),
    number_column("level"),
    number_column("cycle"),
    instant_column("due_at"),
    instant_column("lease_until", null=True),
    sqlite_with_rowid=False,
)
_LEASED = TIMERS.c.lease_until.is_not(None)
Index("ix_timers_due", TIMERS.c.due_at)
Index("ix_timers_lease", TIMERS.c.lease_until, sqlite_where=_LEASED, postgresql_where=_LEASED)

NOTIFICATIONS = Table(
    "notifications",
    SCHEMA,
    name_column("tenant", key=True),
    name_column("id", key=True),
    name_column("incident_id"),
    name_column("type"),
    name_column("severity"),
    number_column("level"),
    number_column("cycle"),
    number_column("step", null=True),
    name_column("target"),
    name_column("recipient"),
    name_column("recipient_name"),
    name_column("channel"),
    number_column("contact"),
    number_column("stage"),
    name_column("reason"),
    name_column("note"),
    name_column("state"),
    flag_column("is_pending"),
    number_column("attempts"),
    instant_column("planned_at"),
    instant_column("next_attempt_at", null=True),
    # next_attempt_at, or planned_at where that is not set.
    instant_column("due_at"),
    instant_column("delivered_at", null=True),
    name_column("last_error", null=True),
    name_column("receipt", null=True),
    flag_column("first_round_over"),
    instant_column("lease_until", null=True),
)
_PENDING_POSTGRES, _PENDING_SQLITE = text("is_pending"), text("is_pending = 1")
Index(
    "ix_notifications_queue",
    NOTIFICATIONS.c.severity,
    NOTIFICATIONS.c.planned_at,
    NOTIFICATIONS.c.id,
    sqlite_where=_PENDING_SQLITE,
    postgresql_where=_PENDING_POSTGRES,
)
Index("ix_notifications_due", NOTIFICATIONS.c.due_at, sqlite_where=_PENDING_SQLITE, postgresql_where=_PENDING_POSTGRES)
Index("ix_notifications_incident", NOTIFICATIONS.c.tenant, NOTIFICATIONS.c.incident_id, NOTIFICATIONS.c.planned_at)
Index("ix_notifications_planned", NOTIFICATIONS.c.planned_at)

OUTBOX = Table(
    "outbox",
    SCHEMA,
    Column("id", SERIAL, primary_key=True, autoincrement=True),
    name_column("tenant"),
    name_column("kind"),
    bytes_column("body"),
    sqlite_autoincrement=True,
)

DEAD_LETTERS = Table(
    "dead_letters",
    SCHEMA,
    name_column("tenant", key=True),
    name_column("id", key=True),
    instant_column("at"),
    name_column("source"),
    name_column("reason"),
    flag_column("retriable"),
    number_column("attempts"),
    instant_column("next_attempt_at", null=True),
    bytes_column("faults"),
    bytes_column("body"),
    # How a vendor's request came, so that its source can translate it again; null for events.
    bytes_column("request", null=True),
)
Index("ix_dead_letters_at", DEAD_LETTERS.c.tenant, DEAD_LETTERS.c.at, DEAD_LETTERS.c.id)

CONFIGURATION = Table(
    "configuration",
    SCHEMA,
    name_column("tenant", key=True),
    name_column("kind", key=True),
    name_column("id", key=True),
    bytes_column("document"),
    number_column("version"),
    name_column("origin"),
    instant_column("created_at"),
    instant_column("updated_at"),
    name_column("created_by"),
)

CONFIGURATION_REVISION = Table(
    "configuration_revision",
    SCHEMA,
    name_column("tenant", key=True),
    Column("revision", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

API_KEYS = Table(
    "api_keys",
    SCHEMA,
    name_column("tenant", key=True),
    name_column("id", key=True),
    name_column("name"),
    bytes_column("digest"),
    name_column("scopes"),
    flag_column("platform"),
    name_column("source", null=True),
    name_column("user_id", null=True),
    instant_column("created_at"),
    instant_column("rotate_after", null=True),
    instant_column("expires_at", null=True),
    instant_column("revoked_at", null=True),
    instant_column("last_used_at", null=True),
    name_column("replaces", null=True),
)
Index("uq_api_keys_digest", API_KEYS.c.tenant, API_KEYS.c.digest, unique=True)

SIGN_IN_LINKS = Table(
    "sign_in_links",
    SCHEMA,
    bytes_column("digest", key=True),
    name_column("tenant"),
    name_column("user_id", null=True),
    name_column("name"),
    name_column("scopes"),
    flag_column("platform"),
    instant_column("expires_at"),
)

# What was answered under an Idempotency-Key.
ANSWERS = Table(
    "answers",
    SCHEMA,
    name_column("tenant", key=True),
    name_column("key", key=True),
    instant_column("at"),
    bytes_column("digest"),
    bytes_column("answer"),
)
Index("ix_answers_at", ANSWERS.c.at)

CHECKPOINTS = Table(
    "checkpoints",
    SCHEMA,
    Column("id", SERIAL, primary_key=True, autoincrement=True),
    instant_column("at"),
    bytes_column("body"),
    bytes_column("signature"),
    sqlite_autoincrement=True,
)

LEASES = Table("leases", SCHEMA, name_column("name", key=True), name_column("holder"), instant_column("until"), sqlite_with_rowid=False)
