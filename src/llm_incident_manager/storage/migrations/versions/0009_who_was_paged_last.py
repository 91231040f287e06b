"""When somebody was last paged, in one seek."""

from alembic import op

revision = "0009"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_notifications_recipient", "notifications", ["tenant", "recipient", "planned_at"], unique=False)
