"""The operator's own commands: on any task, without a thread, and without asking anybody's permission."""

import uuid
from dataclasses import replace

from sqlalchemy import Connection

from bot.domain.errors import NotPossible
from bot.domain.lifecycle import ENDED
from bot.domain.task import Task, new_task_id
from bot.domain.thread import OPERATOR, Kind, Part, ReplyTarget, Thread
from bot.store import runs as run_rows
from bot.store import tasks as task_rows
from bot.tasks import cancel, enqueue
from bot.tasks.enqueue import Queued, RunRequest
from bot.tasks.verbs import Defaults, agent_named


def open_from_cli(
    tx: Connection,
    defaults: Defaults,
    *,
    repository_url: str,
    request: str,
    agent: str = "",
    model: str = "",
    base: str = "",
) -> Queued:
    """Open a task without a thread, for `forgehand run`. `repository_url` is canonical already."""
    thread = Thread(
        forge="",
        repository_id=0,
        repository_url=repository_url,
        path="",
        kind=Kind.CLI,
        number=0,
        title=request.strip().split("\n", 1)[0][:80],
    )
    run_request = replace(
        _request(request, defaults.wall_limit), agent=agent_named(defaults, agent), model=model, base=base
    )
    return enqueue.open_task(tx, new_task_id(), thread, run_request)


def resume_from_cli(tx: Connection, task_id: str, text: str, *, agent: str = "", model: str = "") -> Queued:
    """Resume any task, for `forgehand resume`. Raises NotPossible."""
    task = task_rows.named(tx, task_id)
    before = run_rows.newest(tx, task.id)
    request = _request(text, before.wall_limit, context=before.context)
    return enqueue.resume(tx, task, replace(request, agent=agent, model=model))


def approve_from_cli(tx: Connection, task_id: str) -> Queued:
    """Approve any task's commit, for `forgehand approve`. Raises NotPossible if none waits for that."""
    task = task_rows.named(tx, task_id)
    if not enqueue.is_awaiting_approval(tx, task):
        raise NotPossible(f"Task `{task.id}` is {task.state}: nothing of it awaits approval.")
    before = run_rows.newest(tx, task.id)
    request = _request(before.request, before.wall_limit, context=before.context)
    return enqueue.approve(tx, task, request)


def cancel_from_cli(tx: Connection, task_id: str) -> Task:
    """Cancel any task, for `forgehand cancel`. Raises NotPossible if it has ended or its push has begun."""
    task = task_rows.named(tx, task_id)
    if task.state in ENDED:
        raise NotPossible(f"Task `{task.id}` is {task.state} already.")
    return cancel.cancel(tx, task)


def _request(text: str, wall_limit: int, context: tuple[Part, ...] = ()) -> RunRequest:
    return RunRequest(
        text=text.strip(),
        context=context,
        reply_target=ReplyTarget(),
        actor=OPERATOR,
        cause=f"cli:{uuid.uuid4()}",
        wall_limit=wall_limit,
    )
