"""How long a workspace is kept: by the state its task came to rest in, or by a person's word.

Nothing is removed here. The sweep takes away what is past its keep, so letting a
workspace go is to end its keep now.
"""

from sqlalchemy import Connection

from bot.domain.errors import NotPossible
from bot.domain.lifecycle import ENDED, State
from bot.domain.task import Task
from bot.store import tasks as store
from bot.store import workspaces
from bot.store.ledger import clock

_DAY = 86400.0
# Seconds a workspace is kept once its task has come to rest in this state.
KEEP: dict[State, float] = {
    State.SUCCEEDED: 2 * _DAY,
    State.FAILED: 7 * _DAY,
    State.CANCELLED: 7 * _DAY,
    State.WAITING: 7 * _DAY,
}


def from_now(tx: Connection, task_id: str, state: State) -> None:
    """The task comes to rest in this state: its keep begins."""
    days = store.get(tx, task_id).keep_days
    workspaces.retain(tx, task_id, clock(tx) + (KEEP[state] if days is None else days * _DAY))


def keep(tx: Connection, task_id: str, days: int) -> float | None:
    """Keep the workspace for so many days, after later runs too; until when, in seconds since the epoch.

    None: from the end of the run that waits or works. Raises NotPossible where there is nothing to keep.
    """
    task = store.hold(tx, task_id)
    store.settle(tx, task_id, keep_days=days)
    if task.state not in ENDED:
        return None
    _must_be_there(tx, task)
    until = clock(tx) + days * _DAY
    workspaces.retain(tx, task_id, until)
    return until


def discard(tx: Connection, task_id: str) -> Task:
    """End the keep of the workspace now. Raises NotPossible where a run needs it, or it is gone already."""
    task = store.hold(tx, task_id)
    if task.state not in ENDED:
        raise NotPossible(
            f"Task `{task_id}` is {task.state}, so its workspace is in use. Say `/cancel` first."
        )
    _must_be_there(tx, task)
    workspaces.retain(tx, task_id, clock(tx))
    return task


def _must_be_there(tx: Connection, task: Task) -> None:
    kept = workspaces.get(tx, task.id)
    if kept is None:
        raise NotPossible(f"Task `{task.id}` ended before it had a workspace.")
    if kept.removed_at is not None:
        raise NotPossible(
            f"The workspace of task `{task.id}` was removed already. `/resume` makes a fresh one."
        )
