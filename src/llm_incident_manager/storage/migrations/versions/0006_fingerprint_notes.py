"""Recoveries that overtook their alarms are remembered; dead letters know how their request came."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0003"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "fingerprint_notes",
        sa.Column("tenant", TEXT, nullable=False),
        sa.Column("fingerprint", TEXT, nullable=False),
        sa.Column("said_at", sa.BigInteger(), nullable=False),
        sa.Column("heard_at", sa.BigInteger(), nullable=False),
        sa.Column("incident_id", TEXT, nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "fingerprint"),
    )
    op.create_index("ix_fingerprint_notes_heard", "fingerprint_notes", ["heard_at"], unique=False)
    op.add_column("dead_letters", sa.Column("request", sa.LargeBinary(), nullable=True))
