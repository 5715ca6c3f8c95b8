"""The chassis's tables, and the jobs that were cancelled."""

from alembic import op

from hone_chassis.migrations import create_cancelled_jobs, create_outbox_and_inbox

revision = "0001"
down_revision = None


def upgrade() -> None:
    create_outbox_and_inbox(op)
    create_cancelled_jobs(op)
