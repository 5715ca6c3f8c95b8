"""The chassis's tables; models, versions, aliases, routes, audit trail."""

import sqlalchemy as sa
from alembic import op

from hone_chassis.migrations import create_outbox_and_inbox
from hone_chassis.tables import UtcDateTime

revision = "0001"
down_revision = None

_big_id = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    create_outbox_and_inbox(op)
    _create_models()
    op.create_table(
        "routes",
        sa.Column("tenant", sa.String, primary_key=True),
        sa.Column("artifact_type", sa.String, primary_key=True),
        sa.Column("model", sa.String, nullable=False),
        sa.Column("reading", sa.String, nullable=False),
        sa.Column("threshold", sa.Integer, nullable=False),
        sa.Column("timeout_s", sa.Float, nullable=False),
        sa.Column("temperature", sa.Float, nullable=False),
        sa.Column("set_by", sa.String, nullable=False),
        sa.Column("updated_at", UtcDateTime, nullable=False),
    )
    op.create_table(
        "audit",
        sa.Column("id", _big_id, primary_key=True),
        sa.Column("tenant", sa.String, nullable=False),
        sa.Column("occurred_at", UtcDateTime, nullable=False),
        sa.Column("actor", sa.String, nullable=False),
        sa.Column("action", sa.String, nullable=False),
        sa.Column("subject", sa.String, nullable=False),
        sa.Column("detail", sa.JSON, nullable=False),
    )
    op.create_index("audit_occurred_at", "audit", ["occurred_at"])


def _create_models() -> None:
    op.create_table(
        "models",
        sa.Column("id", _big_id, primary_key=True),
        sa.Column("tenant", sa.String, nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("description", sa.String, nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.UniqueConstraint("tenant", "name"),
    )
    op.create_table(
        "versions",
        sa.Column("model_id", sa.BigInteger, sa.ForeignKey("models.id"), primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True),
        sa.Column("uri", sa.String, nullable=False),
        sa.Column("sha256", sa.String, nullable=False),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("origin", sa.String, nullable=False),
        sa.Column("provenance", sa.JSON, nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.UniqueConstraint("model_id", "sha256"),
    )
    op.create_table(
        "aliases",
        sa.Column("model_id", sa.BigInteger, primary_key=True),
        sa.Column("artifact_type", sa.String, primary_key=True),
        sa.Column("alias", sa.String, primary_key=True),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("moved_at", UtcDateTime, nullable=False),
        sa.ForeignKeyConstraint(["model_id", "version"], ["versions.model_id", "versions.version"]),
    )
