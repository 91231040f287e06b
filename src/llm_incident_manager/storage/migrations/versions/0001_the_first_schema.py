"""The first schema."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "answers",
        sa.Column("tenant", TEXT, nullable=False),
        sa.Column("key", TEXT, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("answer", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "key"),
    )
    op.create_index("ix_answers_at", "answers", ["at"], unique=False)
    op.create_table(
        "api_keys",
        sa.Column("tenant", TEXT, nullable=False),
        sa.Column("id", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("scopes", TEXT, nullable=False),
        sa.Column("platform", sa.Boolean(), nullable=False),
        sa.Column("source", TEXT, nullable=True),
        sa.Column("user_id", TEXT, nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("rotate_after", sa.BigInteger(), nullable=True),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.Column("revoked_at", sa.BigInteger(), nullable=True),
        sa.Column("last_used_at", sa.BigInteger(), nullable=True),
        sa.Column("replaces", TEXT, nullable=True),
        sa.PrimaryKeyConstraint("tenant", "id"),
    )
    op.create_index("uq_api_keys_digest", "api_keys", ["tenant", "digest"], unique=True)
    op.create_table(
        "audit_heads",
        sa.Column("tenant", TEXT, nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("tenant"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "audit_log",
        sa.Column("tenant", TEXT, nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("actor", TEXT, nullable=False),
        sa.Column("event_type", TEXT, nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("previous", sa.LargeBinary(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "version"),
    )
    op.create_index("ix_audit_log_at", "audit_log", ["tenant", "at", "version"], unique=False)
    op.create_table(
        "checkpoints",
        sa.Column("id", SERIAL, autoincrement=True, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "configuration",
        sa.Column("tenant", TEXT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("id", TEXT, nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("origin", TEXT, nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("created_by", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "kind", "id"),
    )
    op.create_table(
        "configuration_revision",
        sa.Column("tenant", TEXT, nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "dead_letters",
        sa.Column("tenant", TEXT, nullable=False),
        sa.Column("id", TEXT, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("source", TEXT, nullable=False),
        sa.Column("reason", TEXT, nullable=False),
        sa.Column("retriable", sa.Boolean(), nullable=False),
        sa.Column("attempts", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("next_attempt_at", sa.BigInteger(), nullable=True),
        sa.Column("faults", sa.LargeBinary(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "id"),
    )
    op.create_index("ix_dead_letters_at", "dead_letters", ["tenant", "at", "id"], unique=False)
    op.create_table(
        "event_keys",
        sa.Column("tenant", TEXT, nullable=False),
        sa.Column("source", TEXT, nullable=False),
        sa.Column("event_id", TEXT, nullable=False),
        sa.Column("incident_id", TEXT, nullable=True),
        sa.PrimaryKeyConstraint("tenant", "source", "event_id"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "events",
        sa.Column("tenant", TEXT, nullable=False),
        sa.Column("incident_id", TEXT, nullable=False),
        sa.Column("received_at", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("source", TEXT, nullable=False),
        sa.Column("event_id", TEXT, nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "incident_id", "received_at", "source", "event_id"),
    )
    op.create_index("ix_events_received", "events", ["received_at"], unique=False)
    op.create_table(
        "incident_aliases",
        sa.Column("tenant", TEXT, nullable=False),
        sa.Column("id", TEXT, nullable=False),
        sa.Column("incident_id", TEXT, nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("tenant", "id"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_incident_aliases_incident", "incident_aliases", ["tenant", "incident_id"], unique=False)
    op.create_index("ix_incident_aliases_number", "incident_aliases", ["number"], unique=False)
    op.create_table(
        "incident_bodies",
        sa.Column("tenant", TEXT, nullable=False),
        sa.Column("incident_id", TEXT, nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "incident_id"),
    )
    op.create_table(
        "incident_changes",
        sa.Column("tenant", TEXT, nullable=False),
        sa.Column("incident_id", TEXT, nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("actor", TEXT, nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("previous", sa.LargeBinary(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "incident_id", "version"),
    )
    op.create_index("ix_incident_changes_actor", "incident_changes", ["tenant", "actor", "at"], unique=False)
    op.create_index(
        "ix_incident_changes_at", "incident_changes", ["tenant", "at", "incident_id", "version"], unique=False
    )
    op.create_table(
        "incident_tags",
        sa.Column("tenant", TEXT, nullable=False),
        sa.Column("key", TEXT, nullable=False),
        sa.Column("value", TEXT, nullable=False),
        sa.Column("incident_id", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "key", "value", "incident_id"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_incident_tags_incident", "incident_tags", ["tenant", "incident_id"], unique=False)
    op.create_table(
        "incidents",
        sa.Column("tenant", TEXT, nullable=False),
        sa.Column("id", TEXT, nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=True),
        sa.Column("fingerprint", TEXT, nullable=False),
        sa.Column("severity", TEXT, nullable=False),
        sa.Column("status", TEXT, nullable=False),
        sa.Column("is_open", sa.Boolean(), nullable=False),
        sa.Column("category", TEXT, nullable=False),
        sa.Column("source", TEXT, nullable=False),
        sa.Column("environment", TEXT, nullable=True),
        sa.Column("facets", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("assigned_to", TEXT, nullable=True),
        sa.Column("assigned_team", TEXT, nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("last_event_at", sa.BigInteger(), nullable=False),
        sa.Column("acknowledged_at", sa.BigInteger(), nullable=True),
        sa.Column("resolved_at", sa.BigInteger(), nullable=True),
        sa.Column("closed_at", sa.BigInteger(), nullable=True),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("acknowledgment_deadline", sa.BigInteger(), nullable=True),
        sa.Column("resolution_deadline", sa.BigInteger(), nullable=True),
        sa.Column("acknowledgment_breached", sa.Boolean(), nullable=False),
        sa.Column("resolution_breached", sa.Boolean(), nullable=False),
        sa.Column("mttd", sa.Float(precision=53), nullable=True),
        sa.Column("mtta", sa.Float(precision=53), nullable=True),
        sa.Column("mttr", sa.Float(precision=53), nullable=True),
        sa.Column("event_count", sa.BigInteger(), nullable=False),
        sa.Column("ladder_state", TEXT, nullable=False),
        sa.Column("ladder_reason", TEXT, nullable=False),
        sa.Column("imported", sa.Boolean(), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("revision", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("head", sa.LargeBinary(), nullable=False),
        sa.Column("words", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "id"),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ix_incidents_assigned_team",
        "incidents",
        ["tenant", "assigned_team", "facets", "created_at", "id", "updated_at", "source", "assigned_to"],
        unique=False,
    )
    op.create_index(
        "ix_incidents_assigned_to",
        "incidents",
        ["tenant", "assigned_to", "facets", "created_at", "id", "updated_at", "source", "assigned_team"],
        unique=False,
    )
    op.create_index(
        "ix_incidents_created",
        "incidents",
        ["tenant", "created_at", "id", "facets", "updated_at", "source", "assigned_team", "assigned_to"],
        unique=False,
    )
    op.create_index(
        "ix_incidents_ended",
        "incidents",
        ["ended_at"],
        unique=False,
        sqlite_where=sa.text("ended_at IS NOT NULL"),
        postgresql_where=sa.text("ended_at IS NOT NULL"),
    )
    op.create_index(
        "ix_incidents_facets",
        "incidents",
        ["tenant", "facets", "created_at", "id", "updated_at"],
        unique=False,
    )
    op.create_index(
        "ix_incidents_fingerprint",
        "incidents",
        ["tenant", "fingerprint", "created_at"],
        unique=False,
    )
    op.create_index(
        "ix_incidents_last_event",
        "incidents",
        ["tenant", "last_event_at", "id"],
        unique=False,
    )
    op.create_index(
        "ix_incidents_number",
        "incidents",
        ["number"],
        unique=False,
    )
    op.create_index(
        "ix_incidents_open",
        "incidents",
        ["tenant", "is_open", "id", "severity", "facets", "created_at", "last_event_at", "updated_at", "source", "assigned_team", "assigned_to"],
        unique=False,
        sqlite_where=sa.text("is_open = 1"),
        postgresql_where=sa.text("is_open"),
    )
    op.create_index(
        "ix_incidents_source",
        "incidents",
        ["tenant", "source", "facets", "created_at", "id", "updated_at", "assigned_team", "assigned_to"],
        unique=False,
    )
    op.create_index(
        "ix_incidents_updated",
        "incidents",
        ["tenant", "updated_at", "id", "facets", "created_at", "source", "assigned_team", "assigned_to"],
        unique=False,
    )
    op.create_index(
        "uq_incidents_open_fingerprint",
        "incidents",
        ["tenant", "fingerprint"],
        unique=True,
        sqlite_where=sa.text("is_open = 1"),
        postgresql_where=sa.text("is_open"),
    )
    op.create_table(
        "leases",
        sa.Column("name", TEXT, nullable=False),
        sa.Column("holder", TEXT, nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "notifications",
        sa.Column("tenant", TEXT, nullable=False),
        sa.Column("id", TEXT, nullable=False),
        sa.Column("incident_id", TEXT, nullable=False),
        sa.Column("type", TEXT, nullable=False),
        sa.Column("severity", TEXT, nullable=False),
        sa.Column("level", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("cycle", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("step", sa.Integer(), autoincrement=False, nullable=True),
        sa.Column("target", TEXT, nullable=False),
        sa.Column("recipient", TEXT, nullable=False),
        sa.Column("recipient_name", TEXT, nullable=False),
        sa.Column("channel", TEXT, nullable=False),
        sa.Column("contact", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("stage", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("reason", TEXT, nullable=False),
        sa.Column("note", TEXT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("is_pending", sa.Boolean(), nullable=False),
        sa.Column("attempts", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("planned_at", sa.BigInteger(), nullable=False),
        sa.Column("next_attempt_at", sa.BigInteger(), nullable=True),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("delivered_at", sa.BigInteger(), nullable=True),
        sa.Column("last_error", TEXT, nullable=True),
        sa.Column("receipt", TEXT, nullable=True),
        sa.Column("first_round_over", sa.Boolean(), nullable=False),
        sa.Column("lease_until", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("tenant", "id"),
    )
    op.create_index(
        "ix_notifications_due",
        "notifications",
        ["due_at"],
        unique=False,
        sqlite_where=sa.text("is_pending = 1"),
        postgresql_where=sa.text("is_pending"),
    )
    op.create_index("ix_notifications_incident", "notifications", ["tenant", "incident_id", "planned_at"], unique=False)
    op.create_index("ix_notifications_planned", "notifications", ["planned_at"], unique=False)
    op.create_index(
        "ix_notifications_queue",
        "notifications",
        ["severity", "planned_at", "id"],
        unique=False,
        sqlite_where=sa.text("is_pending = 1"),
        postgresql_where=sa.text("is_pending"),
    )
    op.create_table(
        "outbox",
        sa.Column("id", SERIAL, autoincrement=True, nullable=False),
        sa.Column("tenant", TEXT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "sign_in_links",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("tenant", TEXT, nullable=False),
        sa.Column("user_id", TEXT, nullable=True),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("scopes", TEXT, nullable=False),
        sa.Column("platform", sa.Boolean(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("digest"),
    )
    op.create_table(
        "tenants",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "timers",
        sa.Column("tenant", TEXT, nullable=False),
        sa.Column("incident_id", TEXT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("level", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("cycle", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("lease_until", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("tenant", "incident_id", "kind"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_timers_due", "timers", ["due_at"], unique=False)
    op.create_index(
        "ix_timers_lease",
        "timers",
        ["lease_until"],
        unique=False,
        sqlite_where=sa.text("lease_until IS NOT NULL"),
        postgresql_where=sa.text("lease_until IS NOT NULL"),
    )
