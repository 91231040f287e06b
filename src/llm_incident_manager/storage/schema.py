"""Every table. All carry the tenant first, except tenants, links, leases, checkpoints and the outbox's running id.

Instants are microseconds since 1970 in UTC. Bodies are the bytes as encoded once, never re-encoded: hashes cover them.
Tables of narrow rows are clustered on SQLite (``WITHOUT ROWID``); those that hold bodies are not, because SQLite moves
long rows of clustered tables to overflow pages.
"""

from typing import Any

from sqlalchemy import BigInteger, Column, Float, Index, Table, text

from llm_incident_manager.storage.columns import SCHEMA as SCHEMA
from llm_incident_manager.storage.columns import SERIAL
from llm_incident_manager.storage.columns import bytes_column as _bytes
from llm_incident_manager.storage.columns import flag_column as _flag
from llm_incident_manager.storage.columns import instant_column as _instant
from llm_incident_manager.storage.columns import name_column as _name
from llm_incident_manager.storage.columns import number_column as _number
from llm_incident_manager.storage.sender_tables import ALERTS as ALERTS
from llm_incident_manager.storage.sender_tables import FINGERPRINT_NOTES as FINGERPRINT_NOTES
from llm_incident_manager.storage.sender_tables import HEARTBEATS as HEARTBEATS
from llm_incident_manager.storage.sender_tables import POLLS as POLLS
from llm_incident_manager.storage.sender_tables import REPORTS as REPORTS

TENANTS = Table("tenants", SCHEMA, _name("id", key=True), _name("name"), _instant("created_at"))

# What lists filter and sort by; the incident itself stands in incident_bodies, so that scanning stays cheap.
INCIDENTS = Table(
    "incidents",
    SCHEMA,
    _name("tenant", key=True),
    _name("id", key=True),
    # yyyymmdd and nine digits: the highest number of a day is one seek; null where the id is not of §5.2's form.
    Column("number", BigInteger),
    _name("fingerprint"),
    _name("severity"),
    _name("status"),
    _flag("is_open"),
    _name("category"),
    _name("source"),
    _name("environment", null=True),
    # Severity, status, category and environment as one number, see facets.py.
    _number("facets"),
    _name("assigned_to", null=True),
    _name("assigned_team", null=True),
    _instant("created_at"),
    _instant("updated_at"),
    _instant("last_event_at"),
    _instant("acknowledged_at", null=True),
    _instant("resolved_at", null=True),
    _instant("closed_at", null=True),
    _instant("ended_at", null=True),
    _instant("acknowledgment_deadline", null=True),
    _instant("resolution_deadline", null=True),
    _flag("acknowledgment_breached"),
    _flag("resolution_breached"),
    Column("mttd", Float(53)),
    Column("mtta", Float(53)),
    Column("mttr", Float(53)),
    Column("event_count", BigInteger, nullable=False),
    _name("ladder_state"),
    _name("ladder_reason"),
    _flag("imported"),
    _number("version"),
    _number("revision"),
    _bytes("head"),
    # Title, id, source and resource in folded case, for the text search.
    _name("words"),
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
    "incident_bodies",
    SCHEMA,
    _name("tenant", key=True),
    _name("incident_id", key=True),
    _bytes("body"),
)

INCIDENT_TAGS = Table(
    "incident_tags",
    SCHEMA,
    _name("tenant", key=True),
    _name("key", key=True),
    _name("value", key=True),
    _name("incident_id", key=True),
    sqlite_with_rowid=False,
)
Index("ix_incident_tags_incident", INCIDENT_TAGS.c.tenant, INCIDENT_TAGS.c.incident_id)

# A reserved id whose fingerprint was open already answers with the incident that won.
INCIDENT_ALIASES = Table(
    "incident_aliases",
    SCHEMA,
    _name("tenant", key=True),
    _name("id", key=True),
    _name("incident_id"),
    Column("number", BigInteger),
    sqlite_with_rowid=False,
)
Index("ix_incident_aliases_incident", INCIDENT_ALIASES.c.tenant, INCIDENT_ALIASES.c.incident_id)
Index("ix_incident_aliases_number", INCIDENT_ALIASES.c.number)

INCIDENT_CHANGES = Table(
    "incident_changes",
    SCHEMA,
    _name("tenant", key=True),
    _name("incident_id", key=True),
    _number("version", key=True),
    _instant("at"),
    _name("actor"),
    _bytes("body"),
    _bytes("previous"),
    _bytes("digest"),
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
    _name("tenant", key=True),
    _number("version", key=True),
    _instant("at"),
    _name("actor"),
    _name("event_type"),
    _bytes("body"),
    _bytes("previous"),
    _bytes("digest"),
)
Index("ix_audit_log_at", AUDIT_LOG.c.tenant, AUDIT_LOG.c.at, AUDIT_LOG.c.version)

AUDIT_HEADS = Table(
    "audit_heads",
    SCHEMA,
    _name("tenant", key=True),
    _number("version"),
    _bytes("digest"),
    sqlite_with_rowid=False,
)

EVENT_KEYS = Table(
    "event_keys",
    SCHEMA,
    _name("tenant", key=True),
    _name("source", key=True),
    _name("event_id", key=True),
    _name("incident_id", null=True),
    sqlite_with_rowid=False,
)

# The instant of receipt is part of the key, so that the table can be partitioned by it. No incident: ''.
EVENTS = Table(
    "events",
    SCHEMA,
    _name("tenant", key=True),
    _name("incident_id", key=True),
    Column("received_at", BigInteger, primary_key=True, autoincrement=False),
    _name("source", key=True),
    _name("event_id", key=True),
    _bytes("payload"),
)
Index("ix_events_received", EVENTS.c.received_at)

TIMERS = Table(
    "timers",
    SCHEMA,
    _name("tenant", key=True),
    _name("incident_id", key=True),
    _name("kind", key=True),
    _number("level"),
    _number("cycle"),
    _instant("due_at"),
    _instant("lease_until", null=True),
    sqlite_with_rowid=False,
)
_LEASED = TIMERS.c.lease_until.is_not(None)
Index("ix_timers_due", TIMERS.c.due_at)
Index("ix_timers_lease", TIMERS.c.lease_until, sqlite_where=_LEASED, postgresql_where=_LEASED)

NOTIFICATIONS = Table(
    "notifications",
    SCHEMA,
    _name("tenant", key=True),
    _name("id", key=True),
    _name("incident_id"),
    _name("type"),
    _name("severity"),
    _number("level"),
    _number("cycle"),
    _number("step", null=True),
    _name("target"),
    _name("recipient"),
    _name("recipient_name"),
    _name("channel"),
    _number("contact"),
    _number("stage"),
    _name("reason"),
    _name("note"),
    _name("state"),
    _flag("is_pending"),
    _number("attempts"),
    _instant("planned_at"),
    _instant("next_attempt_at", null=True),
    # next_attempt_at, or planned_at where that is not set.
    _instant("due_at"),
    _instant("delivered_at", null=True),
    _name("last_error", null=True),
    _name("receipt", null=True),
    _flag("first_round_over"),
    _instant("lease_until", null=True),
    *(_instant(each, null=True) for each in ("reached_at", "answered_at")),
    _name("answer", null=True),
    _number("shown_revision", null=True),
)
_PENDING_POSTGRES, _PENDING_SQLITE = text("is_pending"), text("is_pending = 1")
_N = NOTIFICATIONS.c
_WAITING: dict[str, Any] = {"sqlite_where": _PENDING_SQLITE, "postgresql_where": _PENDING_POSTGRES}
_SHOWN = _N.shown_revision.is_not(None)
Index("ix_notifications_queue", _N.severity, _N.planned_at, _N.id, **_WAITING)
Index("ix_notifications_due", _N.due_at, **_WAITING)
Index("ix_notifications_incident", _N.tenant, _N.incident_id, _N.planned_at)
Index("ix_notifications_planned", _N.planned_at)
Index("ix_notifications_shown", _N.tenant, _N.incident_id, sqlite_where=_SHOWN, postgresql_where=_SHOWN)
Index("ix_notifications_recipient", _N.tenant, _N.recipient, _N.planned_at)

OUTBOX = Table(
    "outbox",
    SCHEMA,
    Column("id", SERIAL, primary_key=True, autoincrement=True),
    _name("tenant"),
    _name("kind"),
    _bytes("body"),
    sqlite_autoincrement=True,
)

DEAD_LETTERS = Table(
    "dead_letters",
    SCHEMA,
    _name("tenant", key=True),
    _name("id", key=True),
    _instant("at"),
    _name("source"),
    _name("reason"),
    _flag("retriable"),
    _number("attempts"),
    _instant("next_attempt_at", null=True),
    _bytes("faults"),
    _bytes("body"),
    # How a vendor's request came, so that its source can translate it again; null for events.
    _bytes("request", null=True),
)
Index("ix_dead_letters_at", DEAD_LETTERS.c.tenant, DEAD_LETTERS.c.at, DEAD_LETTERS.c.id)

CONFIGURATION = Table(
    "configuration",
    SCHEMA,
    _name("tenant", key=True),
    _name("kind", key=True),
    _name("id", key=True),
    _bytes("document"),
    _number("version"),
    _name("origin"),
    _instant("created_at"),
    _instant("updated_at"),
    _name("created_by"),
)

CONFIGURATION_REVISION = Table(
    "configuration_revision",
    SCHEMA,
    _name("tenant", key=True),
    Column("revision", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

API_KEYS = Table(
    "api_keys",
    SCHEMA,
    _name("tenant", key=True),
    _name("id", key=True),
    _name("name"),
    _bytes("digest"),
    _name("scopes"),
    _flag("platform"),
    _name("source", null=True),
    _name("user_id", null=True),
    _instant("created_at"),
    _instant("rotate_after", null=True),
    _instant("expires_at", null=True),
    _instant("revoked_at", null=True),
    _instant("last_used_at", null=True),
    _name("replaces", null=True),
)
Index("uq_api_keys_digest", API_KEYS.c.tenant, API_KEYS.c.digest, unique=True)

SIGN_IN_LINKS = Table(
    "sign_in_links",
    SCHEMA,
    _bytes("digest", key=True),
    _name("tenant"),
    _name("user_id", null=True),
    _name("name"),
    _name("scopes"),
    _flag("platform"),
    _instant("expires_at"),
)

# What was answered under an Idempotency-Key.
ANSWERS = Table(
    "answers",
    SCHEMA,
    _name("tenant", key=True),
    _name("key", key=True),
    _instant("at"),
    _bytes("digest"),
    _bytes("answer"),
)
Index("ix_answers_at", ANSWERS.c.at)

CHECKPOINTS = Table(
    "checkpoints",
    SCHEMA,
    Column("id", SERIAL, primary_key=True, autoincrement=True),
    _instant("at"),
    _bytes("body"),
    _bytes("signature"),
    sqlite_autoincrement=True,
)

LEASES = Table(
    "leases",
    SCHEMA,
    _name("name", key=True),
    _name("holder"),
    _instant("until"),
    sqlite_with_rowid=False,
)
