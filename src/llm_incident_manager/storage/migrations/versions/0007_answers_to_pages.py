"""What is learnt of a page after it left: that it arrived, that somebody answered, what a live message shows."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
SHOWN = "shown_revision IS NOT NULL"
KEPT = """
    tenant, id, incident_id, type, severity, level, cycle, step, target, recipient,
    recipient_name, channel, contact, stage, reason, note, state, is_pending, attempts, planned_at,
    next_attempt_at, due_at, delivered_at, last_error, receipt, first_round_over, lease_until
"""


def upgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        _copy()
    else:
        for column in _new_columns():
            op.add_column("notifications", column)
    op.create_index(
        "ix_notifications_shown",
        "notifications",
        ["tenant", "incident_id"],
        unique=False,
        sqlite_where=sa.text(SHOWN),
        postgresql_where=sa.text(SHOWN),
    )


def _new_columns() -> list[sa.Column]:  # type: ignore[type-arg]
    return [
        sa.Column("reached_at", sa.BigInteger(), nullable=True),
        sa.Column("answered_at", sa.BigInteger(), nullable=True),
        sa.Column("answer", TEXT, nullable=True),
        sa.Column("shown_revision", sa.Integer(), autoincrement=False, nullable=True),
    ]


def _copy() -> None:
    """SQLite writes an added column behind the primary key; a copy is written as the schema writes it."""
    op.rename_table("notifications", "notifications_before")
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
        *_new_columns(),
        sa.PrimaryKeyConstraint("tenant", "id"),
    )
    op.execute(f"INSERT INTO notifications ({KEPT}) SELECT {KEPT} FROM notifications_before")  # noqa: S608
    op.drop_table("notifications_before")
    due: dict[str, Any] = {"sqlite_where": sa.text("is_pending = 1")}
    op.create_index("ix_notifications_due", "notifications", ["due_at"], unique=False, **due)
    op.create_index("ix_notifications_incident", "notifications", ["tenant", "incident_id", "planned_at"], unique=False)
    op.create_index("ix_notifications_planned", "notifications", ["planned_at"], unique=False)
    op.create_index("ix_notifications_queue", "notifications", ["severity", "planned_at", "id"], unique=False, **due)
