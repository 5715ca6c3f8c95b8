"""What people said, the examples that follow from it, runs and datasets."""

import sqlalchemy as sa
from alembic import op

from hone_chassis.migrations import create_cancelled_jobs
from hone_chassis.tables import UtcDateTime

revision = "0002"
down_revision = "0001"

_STATES = (
    "new", "claimed", "used", "rejected", "superseded", "disputed", "weak", "unpraised", "duplicate", "unproven",
    "refused", "corrected",
)  # fmt: skip


def upgrade() -> None:
    create_cancelled_jobs(op)
    op.create_table(
        "pool_types",
        sa.Column("tenant", sa.String, primary_key=True),
        sa.Column("artifact_type", sa.String, primary_key=True),
        *(sa.Column(state, sa.Integer, nullable=False) for state in _STATES),
        sa.Column("last_started_at", UtcDateTime),
    )
    op.create_table(
        "pool_people",
        sa.Column("tenant", sa.String, primary_key=True),
        sa.Column("artifact_type", sa.String, primary_key=True),
        sa.Column("user", sa.String, primary_key=True),
        sa.Column("new", sa.Integer, nullable=False),
        sa.Column("last_at", UtcDateTime, nullable=False),
    )
    op.create_table(
        "verdicts",
        sa.Column("tenant", sa.String, primary_key=True),
        sa.Column("artifact_id", sa.String, primary_key=True),
        sa.Column("user", sa.String, primary_key=True),
        sa.Column("feedback_id", sa.String, nullable=False),
        sa.Column("supersedes", sa.String),
        sa.Column("opinion", sa.Float),
        sa.Column("reward", sa.Float, nullable=False),
        sa.Column("correction", sa.Text),
        sa.Column("correction_score", sa.Integer),
        sa.Column("said_at", UtcDateTime, nullable=False),
    )
    _examples()
    _runs()


def _examples() -> None:
    op.create_table(
        "examples",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("tenant", sa.String, nullable=False),
        sa.Column("artifact_type", sa.String, nullable=False),
        sa.Column("source", sa.String, nullable=False),
        sa.Column("origin", sa.String, nullable=False),
        sa.Column("artifact_id", sa.String),
        sa.Column("requirements", sa.Text, nullable=False),
        sa.Column("content", sa.Text, nullable=False),
        sa.Column("context_text", sa.Text),
        sa.Column("options", sa.JSON, nullable=False),
        sa.Column("evidence", sa.JSON, nullable=False),
        sa.Column("model", sa.String, nullable=False),
        sa.Column("version", sa.Integer),
        sa.Column("score", sa.Integer, nullable=False),
        sa.Column("reward", sa.Float, nullable=False),
        sa.Column("agreement", sa.Float, nullable=False),
        sa.Column("people", sa.Integer, nullable=False),
        sa.Column("contributor", sa.String, nullable=False),
        sa.Column("corrected", sa.Boolean, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("reason", sa.String),
        sa.Column("held_out", sa.Boolean, nullable=False),
        sa.Column("batch", sa.String),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("current", sa.Boolean, nullable=False),
        sa.Column("key", sa.String, nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("updated_at", UtcDateTime, nullable=False),
    )
    op.create_index("examples_by_artifact", "examples", ["tenant", "artifact_id"])
    op.create_index("examples_by_key", "examples", ["tenant", "artifact_type", "key", "state"])
    op.create_index("examples_by_state", "examples", ["tenant", "artifact_type", "state", "held_out", "id"])
    new = ["tenant", "artifact_type", "contributor", "id"]
    _partial("examples_new", "examples", new, "state = 'new'")
    _partial("examples_unproven", "examples", ["id"], "state = 'unproven'")
    _partial("examples_by_batch", "examples", ["batch"], "batch IS NOT NULL")


def _runs() -> None:
    op.create_table(
        "runs",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("tenant", sa.String, nullable=False),
        sa.Column("artifact_type", sa.String, nullable=False),
        sa.Column("method", sa.String, nullable=False),
        sa.Column("trigger", sa.String, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("fence", sa.Integer, nullable=False),
        sa.Column("batch", sa.String, nullable=False),
        sa.Column("examples", sa.Integer, nullable=False),
        sa.Column("base", sa.String),
        sa.Column("source", sa.String),
        sa.Column("settings", sa.JSON, nullable=False),
        sa.Column("planned", sa.JSON),
        sa.Column("dataset_digest", sa.String),
        sa.Column("parameters", sa.JSON, nullable=False),
        sa.Column("figures", sa.JSON, nullable=False),
        sa.Column("verdict", sa.String),
        sa.Column("reasons", sa.JSON, nullable=False),
        sa.Column("error", sa.JSON),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("updated_at", UtcDateTime, nullable=False),
        sa.Column("finished_at", UtcDateTime),
    )
    op.create_index("runs_newest", "runs", ["tenant", "id"])
    _partial("runs_active", "runs", ["tenant", "artifact_type"], "finished_at IS NULL", unique=True)
    op.create_table(
        "datasets",
        sa.Column("tenant", sa.String, primary_key=True),
        sa.Column("digest", sa.String, primary_key=True),
        sa.Column("artifact_type", sa.String, nullable=False),
        sa.Column("summary", sa.JSON, nullable=False),
        sa.Column("run_id", sa.String),
        sa.Column("report", sa.JSON, nullable=False),
        sa.Column("parameters", sa.JSON, nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
    )
    op.create_index("datasets_newest", "datasets", ["tenant", "created_at"])


def _partial(name: str, table: str, columns: list[str], where: str, *, unique: bool = False) -> None:
    condition = sa.text(where)
    op.create_index(name, table, columns, unique=unique, sqlite_where=condition, postgresql_where=condition)
