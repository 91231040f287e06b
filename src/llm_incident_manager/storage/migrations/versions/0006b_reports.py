"""Sources' own problems that belong to a folded incident."""

import sqlalchemy as sa
from alembic import op

revision = "0006b"
down_revision = "0009"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "reports",
        sa.Column("tenant", TEXT, nullable=False),
        sa.Column("fingerprint", TEXT, nullable=False),
        sa.Column("incident_id", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "fingerprint"),
    )
    op.create_index("ix_reports_incident", "reports", ["tenant", "incident_id"], unique=False)
