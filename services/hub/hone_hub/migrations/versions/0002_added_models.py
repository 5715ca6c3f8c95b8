"""Models that people added."""

import sqlalchemy as sa
from alembic import op

from hone_chassis.tables import UtcDateTime

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "added_models",
        sa.Column("tenant", sa.String, primary_key=True),
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("job_id", sa.String, nullable=False),
        sa.Column("model", sa.JSON, nullable=False),
        sa.Column("used", sa.JSON, nullable=False),
        sa.Column("tidy", sa.Boolean, nullable=False),
        sa.Column("added_at", UtcDateTime, nullable=False),
    )
