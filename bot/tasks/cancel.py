"""A task is cancelled: a waiting run at once, a running one by its own worker."""

from functools import partial

from sqlalchemy import Connection

from bot.domain.change import CheckState
from bot.domain.errors import NotPossible
from bot.domain.lifecycle import State
from bot.domain.task import Run, Task
from bot.domain.thread import Kind
from bot.reports import messages
from bot.reports.messages import ProgressMessage, StatusMessage
from bot.store import runs
from bot.store import tasks as store
from bot.tasks import retention


def cancel(tx: Connection, task: Task) -> Task:
    """Stop a task that has not ended. CANCELLED: its run never started.

    Raises NotPossible if its push has begun.
    """
    run = runs.newest(tx, task.id)
    if not runs.ask_cancel(tx, run):
        raise NotPossible(f"The push of task `{task.id}` has begun: the run ends as it would have.")
    run = runs.get(tx, run.id)
    if run.state is State.CANCELLED:
        store.change_state(tx, task.id, State.CANCELLED)
        retention.from_now(tx, task.id, State.CANCELLED)
        _take_back(tx, task, run)
    return store.get(tx, task.id)


def _take_back(tx: Connection, task: Task, run: Run) -> None:
    """End the comment and the status that announced a run which no worker will start."""
    if task.thread.kind is Kind.CLI:
        return
    add = partial(messages.want, tx, subject=run.id, thread_key=task.thread_key)
    add(ProgressMessage(text=f"Task `{task.id}`, run {run.number}: cancelled before it began."))
    if task.pinned:
        add(StatusMessage(commit=task.pinned, state=CheckState.FAILURE, description="Cancelled."))
