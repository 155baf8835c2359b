"""What agents with a model need: their sessions, what they used, and what was kept in."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("tasks", _text("model"))
    for name in ("agent", "session", "session_from", "doing"):
        op.add_column("runs", _text(name))
    for name in ("session_cost", "limited_until", "due_at"):
        op.add_column("runs", sa.Column(name, sa.Double(), nullable=True))
    op.create_table(
        "usage",
        sa.Column("run", sa.Text(), nullable=False),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in _COUNTS),
        sa.Column("cost", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(["run"], ["runs.id"], name="fk_usage_run"),
        sa.PrimaryKeyConstraint("run", "day", "model", name="pk_usage"),
    )
    op.create_index("ix_usage_day", "usage", ["day"])
    op.create_table(
        "refusals",
        sa.Column("run", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["run"], ["runs.id"], name="fk_refusals_run"),
        sa.PrimaryKeyConstraint("run", "target", "reason", name="pk_refusals"),
    )


_COUNTS = ("requests", "input_tokens", "cache_write_tokens", "cache_read_tokens", "output_tokens")


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), server_default="", nullable=False)
