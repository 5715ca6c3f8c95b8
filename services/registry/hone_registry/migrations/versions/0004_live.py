"""Versions at work: their figures, people's verdicts, and how the watches over champions and canaries stand."""

import sqlalchemy as sa
from alembic import op

from hone_chassis.tables import UtcDateTime

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "live",
        sa.Column("model_id", sa.BigInteger, primary_key=True),
        sa.Column("artifact_type", sa.String, primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True),
        *(
            sa.Column(f"{kind}{part}", sa.Float if part else sa.Integer, nullable=False)
            for kind in ("answers", "verdicts")
            for part in ("", "_total", "_squares")
        ),
        sa.Column("updated_at", UtcDateTime, nullable=False),
        _of_a_version(),
    )
    op.create_table(
        "verdicts",
        sa.Column("feedback_id", sa.String, primary_key=True),
        sa.Column("tenant", sa.String, nullable=False),
        sa.Column("model_id", sa.BigInteger),
        sa.Column("artifact_type", sa.String, nullable=False),
        sa.Column("version", sa.Integer),
        sa.Column("person", sa.String, nullable=False),
        sa.Column("quality", sa.Float, nullable=False),
        sa.Column("watch", sa.String),
        sa.Column("purse", sa.Integer, nullable=False),
        sa.Column("stake", sa.Float, nullable=False),
        sa.Column("said_at", UtcDateTime, nullable=False),
        _of_a_version(),
    )
    op.create_index("verdicts_of", "verdicts", ["model_id", "artifact_type", "version", "person"])
    op.create_table(
        "watches",
        sa.Column("model_id", sa.BigInteger, primary_key=True),
        sa.Column("artifact_type", sa.String, primary_key=True),
        sa.Column("alias", sa.String, primary_key=True),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("against", sa.Integer, nullable=False),
        sa.Column("watch", sa.String, nullable=False),
        sa.Column("state", sa.JSON, nullable=False),
        sa.Column("rival", sa.JSON, nullable=False),
        sa.Column("answers", sa.Integer, nullable=False),
        sa.Column("answers_total", sa.Float, nullable=False),
        sa.Column("began_at", UtcDateTime, nullable=False),
        _of_a_version(),
    )


def _of_a_version() -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["model_id", "version"], ["versions.model_id", "versions.version"])
