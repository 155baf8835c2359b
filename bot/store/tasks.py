"""Tasks: a request on one thread of one repository."""

from typing import Any

from sqlalchemy import Connection, Row, Select, func, insert, select, update

from bot.domain.errors import NotPossible
from bot.domain.lifecycle import State, require_transition
from bot.domain.task import Task
from bot.store import threads
from bot.store.ledger import clock
from bot.store.schema import tasks
from bot.store.schema import threads as threads_table

_NAMED = 3  # ids that an error names
_COLUMNS: Select[Any] = select(tasks, threads_table).join_from(
    tasks, threads_table, tasks.c.thread_key == threads_table.c.key
)


def add(tx: Connection, task: Task) -> None:
    """Insert a new task, and its thread if that is new. The database refuses a second task with this id."""
    threads.add(tx, task.thread_key, task.thread)
    tx.execute(
        insert(tasks).values(
            id=task.id,
            thread_key=task.thread_key,
            state=task.state,
            agent=task.agent,
            model=task.model,
            change=task.change_form,
            base=task.base,
            branch=task.branch,
            pinned=task.pinned,
            fork=task.fork,
            created_at=clock(tx),
        )
    )


def get(tx: Connection, task_id: str) -> Task:
    """Return the task. Raises NotPossible if there is none with this id."""
    row = tx.execute(_COLUMNS.where(tasks.c.id == task_id)).one_or_none()
    if row is None:
        raise NotPossible(f"There is no task `{task_id}`.")
    return _value(row)


def named(tx: Connection, text: str) -> Task:
    """Return the task with this id, or the only one whose id begins with this text.

    Raises NotPossible with ids that may be meant.
    """
    begin = text.strip().lower()
    like = tasks.c.id.startswith(begin, autoescape=True)
    query = select(tasks.c.id).where(like).order_by(tasks.c.id).limit(_NAMED + 1)
    ids = list(tx.execute(query).scalars()) if begin else []
    if begin in ids or len(ids) == 1:
        return get(tx, begin if begin in ids else ids[0])
    if ids:
        more = " and others" if len(ids) > _NAMED else ""
        raise NotPossible(f"Several tasks begin with `{text}`: {', '.join(ids[:_NAMED])}{more}.")
    newest_ids = ", ".join(task.id for task in newest(tx, _NAMED))
    hint = f"Newest: {newest_ids} (`forgehand tasks`)." if newest_ids else "There are no tasks yet."
    raise NotPossible(f"No task `{text}`. {hint}")


def exists(tx: Connection, task_id: str) -> bool:
    """Report whether the ledger knows a task with this id."""
    return tx.execute(select(tasks.c.id).where(tasks.c.id == task_id)).first() is not None


def lock(tx: Connection, task_id: str) -> Task:
    """Lock and return the task: until the transaction ends nobody else changes it or queues a run of it.

    Raises NotPossible if there is none with this id.
    """
    tx.execute(select(tasks.c.id).where(tasks.c.id == task_id).with_for_update())
    return get(tx, task_id)


def of_thread(tx: Connection, thread_key: str, limit: int = 20) -> list[Task]:
    """Return up to `limit` tasks of the thread, newest first."""
    rows = tx.execute(
        _COLUMNS.where(tasks.c.thread_key == thread_key).order_by(tasks.c.created_at.desc()).limit(limit)
    )
    return [_value(row) for row in rows]


def newest(tx: Connection, limit: int, state: State | None = None) -> list[Task]:
    """Return up to `limit` tasks of all threads, newest first; with `state`, only those in it."""
    query = _COLUMNS.order_by(tasks.c.created_at.desc()).limit(limit)
    if state is not None:
        query = query.where(tasks.c.state == state)
    return [_value(row) for row in tx.execute(query)]


def change_state(tx: Connection, task_id: str, new: State) -> None:
    """Lock the task and move it to a state that may follow its present one. Raises NotPossible."""
    require_transition(task_id, lock(tx, task_id).state, new)
    tx.execute(update(tasks).where(tasks.c.id == task_id).values(state=new))


def write(tx: Connection, task_id: str, **facts: str | int | None) -> None:
    """Write columns of the task other than its state."""
    tx.execute(update(tasks).where(tasks.c.id == task_id).values(**facts))


def count_by_state(tx: Connection) -> dict[str, int]:
    """Count all tasks by state."""
    query = select(tasks.c.state, func.count()).group_by(tasks.c.state)
    return {row[0]: row[1] for row in tx.execute(query)}


def _value(row: Row[Any]) -> Task:
    return Task(
        id=row.id,
        thread=threads.value(row),
        thread_key=row.thread_key,
        state=State(row.state),
        agent=row.agent,
        model=row.model,
        change_form=row.change,
        base=row.base,
        branch=row.branch,
        base_head=row.base_head,
        pinned=row.pinned,
        fork=row.fork,
        checked_head=row.checked_head,
        pushed_head=row.pushed_head,
        approved_head=row.approved_head,
        left_head=row.left_head,
        change_number=row.change_number,
        change_url=row.change_url,
        keep_days=row.keep_days,
        created_at=row.created_at,
    )
