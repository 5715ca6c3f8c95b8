"""Keys, jobs, artifacts, idempotency keys."""

import sqlalchemy as sa
from alembic import op

from hone_chassis.migrations import create_outbox_and_inbox
from hone_chassis.tables import UtcDateTime

revision = "0001"
down_revision = None


def upgrade() -> None:
    create_outbox_and_inbox(op)
    op.create_table(
        "api_keys",
        sa.Column("sha256", sa.String, primary_key=True),
        sa.Column("prefix", sa.String, nullable=False),
        sa.Column("tenant", sa.String, nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("revoked_at", UtcDateTime),
    )
    op.create_table(
        "jobs",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("tenant", sa.String, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("progress", sa.JSON),
        sa.Column("result", sa.JSON),
        sa.Column("error", sa.JSON),
        sa.Column("retry_of", sa.String, unique=True),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("updated_at", UtcDateTime, nullable=False),
        sa.Column("finished_at", UtcDateTime),
    )
    op.create_index("jobs_newest", "jobs", ["tenant", "id"])
    op.create_index("jobs_by_state", "jobs", ["tenant", "state", "id"])
    op.create_table(
        "artifacts",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("tenant", sa.String, nullable=False),
        sa.Column("job_id", sa.String, sa.ForeignKey("jobs.id"), nullable=False, unique=True),
        sa.Column("type", sa.String, nullable=False),
        sa.Column("model", sa.String, nullable=False),
        sa.Column("score", sa.Integer, nullable=False),
        sa.Column("accepted", sa.Boolean, nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("document", sa.Text, nullable=False),
    )
    op.create_index("artifacts_newest", "artifacts", ["tenant", "id"])
    op.create_table(
        "idempotency_keys",
        sa.Column("tenant", sa.String, primary_key=True),
        sa.Column("key", sa.String, primary_key=True),
        sa.Column("fingerprint", sa.String, nullable=False),
        sa.Column("status", sa.Integer),
        sa.Column("location", sa.String),
        sa.Column("body", sa.Text),
        sa.Column("created_at", UtcDateTime, nullable=False),
    )
    op.create_index("idempotency_keys_created_at", "idempotency_keys", ["created_at"])
