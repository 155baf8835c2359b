"""The time at which to look for a second copy of a comment."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("outbox", sa.Column("look_at", sa.Double()))
    there = sa.text("look_at IS NOT NULL")
    op.create_index("ix_outbox_look", "outbox", ["look_at"], sqlite_where=there, postgresql_where=there)
