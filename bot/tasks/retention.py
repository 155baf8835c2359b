"""Retention of workspaces: set by the state in which a task ended, or by a person.

Nothing is removed here. The janitor removes workspaces after their retention, so to discard a workspace
means to end its retention now.
"""

from sqlalchemy import Connection

from bot.domain.errors import NotPossible
from bot.domain.lifecycle import ENDED, State
from bot.domain.task import Task
from bot.store import tasks as task_rows
from bot.store import workspaces
from bot.store.ledger import clock

_DAY = 86400.0
# Seconds a workspace is retained after its task has ended in this state.
KEEP: dict[State, float] = {
    State.SUCCEEDED: 2 * _DAY,
    State.FAILED: 7 * _DAY,
    State.CANCELLED: 7 * _DAY,
    State.WAITING: 7 * _DAY,
}


def from_now(tx: Connection, task_id: str, state: State) -> None:
    """Begin the retention of the workspace of a task that ends in this state."""
    days = task_rows.get(tx, task_id).keep_days
    workspaces.retain(tx, task_id, clock(tx) + (KEEP[state] if days is None else days * _DAY))


def keep(tx: Connection, task_id: str, days: int) -> float | None:
    """Retain the workspace for so many days, after later runs too. Raises NotPossible if there is none.

    Return the end of that time, in seconds since the epoch. None: the days are counted from the end of the
    run that is queued or running.
    """
    task = task_rows.lock(tx, task_id)
    task_rows.write(tx, task_id, keep_days=days)
    if task.state not in ENDED:
        return None
    _check_exists(tx, task)
    until = clock(tx) + days * _DAY
    workspaces.retain(tx, task_id, until)
    return until


def discard(tx: Connection, task_id: str) -> Task:
    """End the workspace's retention now. Raises NotPossible if a run needs it, or it was removed already."""
    task = task_rows.lock(tx, task_id)
    if task.state not in ENDED:
        raise NotPossible(
            f"Task `{task_id}` is {task.state}, so its workspace is in use. Say `/cancel` first."
        )
    _check_exists(tx, task)
    workspaces.retain(tx, task_id, clock(tx))
    return task


def _check_exists(tx: Connection, task: Task) -> None:
    workspace = workspaces.get(tx, task.id)
    if workspace is None:
        raise NotPossible(f"Task `{task.id}` ended before it had a workspace.")
    if workspace.removed_at is not None:
        raise NotPossible(
            f"The workspace of task `{task.id}` was removed already. `/resume` makes a fresh one."
        )
