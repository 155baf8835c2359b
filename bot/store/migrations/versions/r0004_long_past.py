"""What a long past needs: runs and tasks of one state are found without reading the others."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index("ix_runs_open", table_name="runs")
    op.create_index(
        "ix_runs_state_repository_url_created_at", "runs", ["state", "repository_url", "created_at"]
    )
    op.create_index("ix_tasks_state_created_at", "tasks", ["state", "created_at"])
