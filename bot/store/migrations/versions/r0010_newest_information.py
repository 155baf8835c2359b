"""The times of the newest information about a thread."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("described_at", "located_at"):
        op.add_column("threads", sa.Column(name, sa.Double(), server_default="0", nullable=False))
