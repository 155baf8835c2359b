"""The verbs of the operator's own commands: of any task, without a thread, nobody's permission asked."""

import uuid
from dataclasses import replace

from sqlalchemy import Connection

from bot.domain.errors import NotPossible
from bot.domain.lifecycle import ENDED
from bot.domain.task import Task, new_task_id
from bot.domain.thread import OPERATOR, Kind, Part, ReplyTarget, Thread
from bot.store import runs
from bot.store import tasks as store
from bot.tasks import cancel, enqueue
from bot.tasks.enqueue import Queued, RunRequest, TaskPlan
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
    """The operator's `forgehand run`: a task without a thread, its URL canonical already."""
    task_id = new_task_id()
    thread = Thread(
        forge="",
        repository_id=0,
        repository_url=repository_url,
        path="",
        kind=Kind.CLI,
        number=0,
        title=request.strip().split("\n", 1)[0][:80],
    )
    plan = TaskPlan(agent=agent_named(defaults, agent), model=model, change="none", base=base)
    ask = _ask(request, defaults.wall_limit)
    return enqueue.open_task(tx, (task_id, thread, f"cli:{task_id}"), plan, ask)


def resume_from_cli(tx: Connection, task_id: str, text: str, *, agent: str = "", model: str = "") -> Queued:
    """The operator's `forgehand resume`, of any task. Raises NotPossible."""
    before = runs.newest(tx, store.get(tx, task_id).id)
    ask = _ask(text, before.wall_limit, context=before.context)
    return enqueue.resume(tx, store.get(tx, task_id), replace(ask, agent=agent, model=model))


def approve_from_cli(tx: Connection, task_id: str) -> Queued:
    """The operator's `forgehand approve`, of any task. Raises NotPossible if it holds nothing."""
    task = store.get(tx, task_id)
    if not enqueue.is_awaiting_approval(tx, task):
        raise NotPossible(f"Task `{task_id}` is {task.state}: nothing of it waits for an approval.")
    before = runs.newest(tx, task_id)
    return enqueue.approve(tx, task, _ask(before.request, before.wall_limit, context=before.context))


def cancel_from_cli(tx: Connection, task_id: str) -> Task:
    """The operator's `forgehand cancel`, of any task. Raises NotPossible if it has ended or is pushing."""
    task = store.get(tx, task_id)
    if task.state in ENDED:
        raise NotPossible(f"Task `{task_id}` is {task.state} already.")
    return cancel.cancel(tx, task)


def _ask(text: str, wall_limit: int, context: tuple[Part, ...] = ()) -> RunRequest:
    cause = f"cli:{uuid.uuid4()}"
    return RunRequest(
        text=text.strip(),
        context=context,
        reply_target=ReplyTarget(),
        actor=OPERATOR,
        cause=cause,
        wall_limit=wall_limit,
    )
