"""What removals need: attempts are recorded, so that those during which the process died are counted."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "removals",
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("host", "folder", "task")),
        sa.Column("holder", sa.Text(), server_default="", nullable=False),
        *(sa.Column(name, sa.Integer(), server_default="0", nullable=False) for name in _COUNTS),
        sa.Column("due_at", sa.Double(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("host", "folder", name="pk_removals"),
    )


_COUNTS = ("deaths", "overruns")
