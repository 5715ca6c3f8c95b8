"""Runs that are steered and go to the worker that can do them; how their losses went; the workers that are alive."""

import sqlalchemy as sa
from alembic import op

from hone_chassis.tables import UtcDateTime

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    # A run from before was for any worker, and any command that names it may work on it.
    op.add_column("runs", sa.Column("place", sa.String, nullable=False, server_default="any"))
    op.add_column("runs", sa.Column("command", sa.String))
    op.add_column("runs", sa.Column("control", sa.String))
    op.create_table(
        "workers",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("places", sa.JSON, nullable=False),
        sa.Column("environment", sa.JSON, nullable=False),
        sa.Column("run_id", sa.String),
        sa.Column("started_at", UtcDateTime, nullable=False),
        sa.Column("seen_at", UtcDateTime, nullable=False),
    )
    op.create_table(
        "curves",
        sa.Column("run_id", sa.String, primary_key=True),
        sa.Column("steps", sa.Integer, nullable=False),
        sa.Column("points", sa.JSON, nullable=False),
        sa.Column("updated_at", UtcDateTime, nullable=False),
    )
