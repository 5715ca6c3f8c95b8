"""Models that a person adds may be removed again: their rows stay, hidden."""

import sqlalchemy as sa
from alembic import op

from hone_chassis.tables import UtcDateTime

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("models", sa.Column("released_at", UtcDateTime))
