"""What a second forge and its triggers need: where something was said, forks, confidential threads."""

import json

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_NO = sa.text("false")
_RUNS = sa.table("runs", sa.column("id", sa.Text()), sa.column("context", sa.Text()))


def upgrade() -> None:
    op.add_column("threads", sa.Column("confidential", sa.Boolean(), server_default=_NO, nullable=False))
    op.add_column("tasks", sa.Column("fork", sa.Boolean(), server_default=_NO, nullable=False))
    op.add_column("tasks", sa.Column("keep_days", sa.Integer(), nullable=True))
    op.add_column("runs", sa.Column("spot", sa.Text(), server_default="{}", nullable=False))
    _context_in_parts()
    op.create_table(
        "patches",
        sa.Column("run", sa.Text(), nullable=False),
        sa.Column("text", sa.LargeBinary(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["run"], ["runs.id"], name="fk_patches_run"),
        sa.PrimaryKeyConstraint("run", name="pk_patches"),
    )


def _context_in_parts() -> None:
    """Until here the context was the text of the thread alone."""
    tx = op.get_bind()
    for run, text in tx.execute(sa.select(_RUNS.c.id, _RUNS.c.context)).all():
        parts = [{"what": "The thread this was asked on", "text": text}] if text else []
        tx.execute(sa.update(_RUNS).where(_RUNS.c.id == run).values(context=json.dumps(parts)))
