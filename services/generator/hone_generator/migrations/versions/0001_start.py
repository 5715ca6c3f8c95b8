"""The chassis's tables, and the jobs that were cancelled."""

import sqlalchemy as sa
from alembic import op

from hone_chassis.migrations import create_outbox_and_inbox
from hone_chassis.tables import UtcDateTime

revision = "0001"
down_revision = None


def upgrade() -> None:
    create_outbox_and_inbox(op)
    op.create_table(
        "cancelled_jobs",
        sa.Column("job_id", sa.String, primary_key=True),
        sa.Column("cancelled_at", UtcDateTime, nullable=False),
    )
