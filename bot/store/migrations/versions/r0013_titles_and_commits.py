"""The title that an agent gives its work, and the number of commits of a patch."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("runs", sa.Column("title", sa.Text(), server_default="", nullable=False))
    op.add_column("patches", sa.Column("commits", sa.Integer(), server_default="0", nullable=False))
