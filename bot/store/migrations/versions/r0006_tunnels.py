"""What runs were led to besides models."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "tunnels",
        sa.Column("run", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in ("count", "sent", "received")),
        sa.ForeignKeyConstraint(["run"], ["runs.id"], name="fk_tunnels_run"),
        sa.PrimaryKeyConstraint("run", "target", name="pk_tunnels"),
    )
