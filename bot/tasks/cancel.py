"""A task is cancelled: a waiting run at once, a running one by its own worker."""

from sqlalchemy import Connection

from bot.domain.change import CheckState
from bot.domain.errors import NotPossible
from bot.domain.lifecycle import State
from bot.domain.task import Run, Task
from bot.domain.thread import Kind
from bot.store import outbox, runs
from bot.store import tasks as store
from bot.store.outbox import Outgoing, Wanted
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
    """No worker will ever speak of this run: what was announced for it is ended here."""
    if task.thread.kind is Kind.CLI:
        return
    words = f"Task `{task.id}`, run {run.number}: cancelled before it began."
    told = Wanted(subject=run.id, kind=Outgoing.PROGRESS, thread_key=task.thread_key, content={"text": words})
    outbox.want(tx, told)
    if task.pinned:
        content = {"verdict": CheckState.FAILURE, "description": "Cancelled."}
        outbox.want(
            tx,
            Wanted(
                subject=run.id,
                kind=Outgoing.STATUS,
                target=task.pinned,
                thread_key=task.thread_key,
                content=content,
            ),
        )
