"""The chassis's tables and a counter."""

import sqlalchemy as sa
from alembic import op

from hone_chassis.migrations import create_outbox_and_inbox

revision = "0001"
down_revision = None


def upgrade() -> None:
    create_outbox_and_inbox(op)
    op.create_table(
        "counted", sa.Column("id", sa.Integer, primary_key=True), sa.Column("job", sa.String, nullable=False)
    )
