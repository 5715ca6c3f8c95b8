"""What a person corrected, beside the correction. Of corrections from before it is not known any more."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column("examples", sa.Column("answer", sa.Text))
