"""The sentence on folders that an export left behind in the workspace."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("runs", sa.Column("unexported", sa.Text(), server_default="", nullable=False))
