"""What several hosts need: who was seen when, what was lost with one, and keys they agree on."""

import sqlalchemy as sa
from alembic import op

from bot.store.ledger import CLOCK

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_PRESENT = sa.text("removed_at IS NULL")


def upgrade() -> None:
    op.create_table(
        "hosts",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("folder", sa.Text(), nullable=False),
        sa.Column("seen_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_hosts"),
    )
    op.create_table(
        "keys",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_keys"),
    )
    op.add_column(
        "workspaces", sa.Column("lost", sa.Boolean(), server_default=sa.text("false"), nullable=False)
    )
    op.drop_index("ix_workspaces_keep", table_name="workspaces")
    op.create_index(
        "ix_workspaces_present",
        "workspaces",
        ["host", "keep_until"],
        sqlite_where=_PRESENT,
        postgresql_where=_PRESENT,
    )
    # A host that had workspaces before and never comes back is silent from now on.
    now = CLOCK[op.get_bind().dialect.name]
    op.execute(f"INSERT INTO hosts SELECT host, '', {now} FROM workspaces GROUP BY host")
