"""The branch of an ended change that a task left, and the sentence of the run that left it."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("tasks", sa.Column("left_head", sa.Text(), server_default="", nullable=False))
    op.add_column("runs", sa.Column("moved", sa.Text(), server_default="", nullable=False))
