"""The tables of what senders say beside their events: heartbeats, alerts with ends, recoveries, polls."""

from sqlalchemy import Index, Table

from llm_incident_manager.storage.columns import SCHEMA, bytes_column, flag_column, instant_column, name_column

# look_at: when somebody must look whether it has run out; null while there is nothing to look for.
HEARTBEATS = Table(
    "heartbeats",
    SCHEMA,
    name_column("tenant", key=True),
    name_column("source", key=True),
    name_column("name", key=True),
    instant_column("look_at", null=True),
    bytes_column("body"),
)
_LOOKED_FOR = HEARTBEATS.c.look_at.is_not(None)
Index("ix_heartbeats_look", HEARTBEATS.c.look_at, sqlite_where=_LOOKED_FOR, postgresql_where=_LOOKED_FOR)

# What is firing, as told by senders that repeat themselves; the alert itself is the body.
ALERTS = Table(
    "alerts",
    SCHEMA,
    name_column("tenant", key=True),
    name_column("source", key=True),
    name_column("fingerprint", key=True),
    instant_column("ends_at"),
    flag_column("is_firing"),
    bytes_column("body"),
    Index("ix_alerts_ends", "is_firing", "ends_at"),
)

# To which incident a source's own fingerprint belongs, where a cross-source key folded it.
REPORTS = Table(
    "reports",
    SCHEMA,
    name_column("tenant", key=True),
    name_column("fingerprint", key=True),
    name_column("incident_id"),
    Index("ix_reports_incident", "tenant", "incident_id"),
)

# What is known of a fingerprint beside its incidents: the newest recovery, by its sender's time (said_at) and ours
# (heard_at), and the incident that counted the newest news; null where there was none.
FINGERPRINT_NOTES = Table(
    "fingerprint_notes",
    SCHEMA,
    name_column("tenant", key=True),
    name_column("fingerprint", key=True),
    instant_column("said_at"),
    instant_column("heard_at"),
    name_column("incident_id", null=True),
    bytes_column("body"),
    Index("ix_fingerprint_notes_heard", "heard_at"),
)

# Sources that are asked. look_at: when somebody must look again; until then its holder may be asking.
POLLS = Table(
    "polls",
    SCHEMA,
    name_column("tenant", key=True),
    name_column("source", key=True),
    instant_column("look_at"),
    name_column("holder", null=True),
    bytes_column("body"),
)
