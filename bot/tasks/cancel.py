"""Cancelling a task: a queued run ends at once, a running one is ended by its own worker."""

from functools import partial

from sqlalchemy import Connection

from bot.domain.change import CheckState
from bot.domain.errors import NotPossible
from bot.domain.lifecycle import State
from bot.domain.task import Run, Task
from bot.domain.thread import Kind
from bot.reports import outbox_messages
from bot.reports.outbox_messages import ProgressMessage, StatusMessage
from bot.store import runs as run_rows
from bot.store import tasks as task_rows
from bot.tasks import retention


def cancel(tx: Connection, task: Task) -> Task:
    """Cancel a task that has not ended, and return it.

    The returned state is CANCELLED if the run had not begun, else RUNNING: its worker will stop it. Raises
    NotPossible if its push has begun.
    """
    run = run_rows.newest(tx, task.id)
    if not run_rows.ask_cancel(tx, run):
        raise NotPossible(
            f"The push of task `{task.id}` has already begun, so the run cannot be cancelled. "
            "It ends as usual."
        )
    run = run_rows.get(tx, run.id)
    if run.state is State.CANCELLED:
        task_rows.change_state(tx, task.id, State.CANCELLED)
        retention.from_now(tx, task.id, State.CANCELLED)
        _report(tx, task, run)
    return task_rows.get(tx, task.id)


def _report(tx: Connection, task: Task, run: Run) -> None:
    """Update the comment and the status of a run that no worker will ever report on."""
    if task.thread.kind is Kind.CLI:
        return
    add = partial(outbox_messages.put, tx, subject=run.id, thread_key=task.thread_key)
    add(ProgressMessage(text=f"Task `{task.id}`, run {run.number}: cancelled before it began."))
    if task.pinned:
        add(StatusMessage(commit=task.pinned, state=CheckState.ERROR, description="Cancelled."))
