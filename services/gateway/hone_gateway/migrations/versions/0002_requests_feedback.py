"""What artifacts were asked from, which version answered, and what people say of them."""

import sqlalchemy as sa
from alembic import op

from hone_chassis.tables import UtcDateTime

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("artifacts", sa.Column("version", sa.Integer))
    op.create_table(
        "requests",
        sa.Column("job_id", sa.String, sa.ForeignKey("jobs.id"), primary_key=True),
        sa.Column("requirements", sa.Text, nullable=False),
        sa.Column("context_text", sa.Text),
        sa.Column("options", sa.JSON, nullable=False),
    )
    op.create_table(
        "feedback",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("tenant", sa.String, nullable=False),
        sa.Column("artifact_id", sa.String, sa.ForeignKey("artifacts.id"), nullable=False),
        sa.Column("user", sa.String, nullable=False),
        sa.Column("thumb", sa.String),
        sa.Column("score", sa.Integer),
        sa.Column("comment", sa.Text),
        sa.Column("correction", sa.Text),
        sa.Column("correction_score", sa.Integer),
        sa.Column("distance", sa.Float),
        sa.Column("reward", sa.Float, nullable=False),
        sa.Column("not_learned", sa.Text),
        sa.Column("supersedes", sa.String),
        sa.Column("superseded_by", sa.String),
        sa.Column("created_at", UtcDateTime, nullable=False),
    )
    op.create_index("feedback_of_artifact", "feedback", ["artifact_id", "id"])
    counts = sa.text("superseded_by IS NULL")
    op.create_index(
        "feedback_that_counts",
        "feedback",
        ["artifact_id", "user"],
        unique=True,
        sqlite_where=counts,
        postgresql_where=counts,
    )
