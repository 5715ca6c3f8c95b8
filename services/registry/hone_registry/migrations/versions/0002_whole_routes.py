"""A route's settings as one document: fallbacks, limits, budgets and the cloud came, and more will."""

import sqlalchemy as sa
from alembic import op

from hone_chassis.tables import UtcDateTime

revision = "0002"
down_revision = "0001"

_WAS = sa.table(
    "routes",
    *(
        sa.column(name)
        for name in ("tenant", "artifact_type", "model", "reading", "threshold", "timeout_s", "temperature")
    ),
    sa.column("set_by"),
    sa.column("updated_at", UtcDateTime),
)


def upgrade() -> None:
    before = op.get_bind().execute(sa.select(_WAS)).mappings().all()
    op.drop_table("routes")
    now = op.create_table(
        "routes",
        sa.Column("tenant", sa.String, primary_key=True),
        sa.Column("artifact_type", sa.String, primary_key=True),
        sa.Column("settings", sa.JSON, nullable=False),
        sa.Column("set_by", sa.String, nullable=False),
        sa.Column("updated_at", UtcDateTime, nullable=False),
    )
    rows = [
        {
            "tenant": row["tenant"],
            "artifact_type": row["artifact_type"],
            "settings": {
                "artifact_type": row["artifact_type"],
                "model": row["model"],
                "reading": row["reading"],
                "threshold": row["threshold"],
                "temperature": row["temperature"],
                "limits": {"total_s": row["timeout_s"]},
            },
            "set_by": row["set_by"],
            "updated_at": row["updated_at"],
        }
        for row in before
    ]
    if rows:
        op.bulk_insert(now, rows)
