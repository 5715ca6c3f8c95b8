"""The chassis's tables."""

from alembic import op

from hone_chassis.migrations import create_outbox_and_inbox

revision = "0001"
down_revision = None


def upgrade() -> None:
    create_outbox_and_inbox(op)
