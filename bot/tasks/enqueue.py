"""A new run gets in line: with which words, from which phase, on which host."""

import re
import unicodedata
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from bot.domain.errors import NotPossible
from bot.domain.lifecycle import ENDED, Outcome, Phase, State
from bot.domain.task import Run, Task
from bot.domain.thread import Actor, Part, ReplyTarget, Thread
from bot.reports.command_syntax import for_forge
from bot.reports.phrases import busy
from bot.store import runs, workspaces
from bot.store import tasks as store

AUTO = "auto:"  # a cause of ours: the rest is the run that it goes on from
_SLUG = 40  # characters of a title that a branch name carries


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """One request for a run: by whom, through what, with which words. `wall_limit` is in seconds.

    `agent` and `model` "": those of the task. `due_at`: not before then, in seconds since the epoch.
    """

    text: str
    context: tuple[Part, ...]
    reply_target: ReplyTarget
    actor: Actor
    cause: str
    wall_limit: int
    agent: str = ""
    model: str = ""
    due_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskPlan:
    """What a new task is to be. `base` "": the default branch; `pinned` "": it is not about a change."""

    agent: str
    change: str
    model: str = ""  # "" = the agent's own choice
    base: str = ""
    pinned: str = ""
    fork: bool = False  # the change comes from another repository
    branch: str = ""  # to push to; "" = a new one of the task's own


@dataclass(frozen=True, slots=True, kw_only=True)
class Queued:
    """A run that waits. `position` 1 is next; `workspace_gone`: the task had one, and it was removed."""

    task: Task
    run: Run
    position: int
    workspace_gone: bool = False

    @property
    def only_push(self) -> bool:
        return self.run.first_phase is Phase.PUSH


def open_task(tx: Connection, place: tuple[str, Thread, str], plan: TaskPlan, ask: RunRequest) -> Queued:
    """A new task and its first run. `place` is the task's id, its thread and the thread's key."""
    task_id, thread, key = place
    task = Task(
        id=task_id,
        thread=thread,
        thread_key=key,
        state=State.QUEUED,
        agent=plan.agent,
        model=plan.model,
        change=plan.change,
        base=plan.base,
        branch=plan.branch
        or branch_of(thread, task_id, named=not (thread.confidential or ask.reply_target.internal)),
        pinned=plan.pinned,
        fork=plan.fork,
    )
    store.add(tx, task)
    return _add_run(tx, task, ask, _Begin(number=1, phase=Phase.PREPARE, host=""))


def branch_of(thread: Thread, task_id: str, *, named: bool) -> str:
    """The task's branch: of ASCII letters, digits and dashes alone, whatever the title holds.

    Without the title where that is not for everybody who can see the branch.
    """
    ascii_title = unicodedata.normalize("NFKD", thread.title).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "-", ascii_title)[:_SLUG].strip("-")
    parts = [str(thread.number) if thread.number else "", slug if named else "", task_id]
    return "forgehand/" + "-".join(part for part in parts if part)


def resume(tx: Connection, task: Task, ask: RunRequest) -> Queued:
    """One more run of a task that has ended. Raises NotPossible where that makes no sense as asked."""
    before = runs.newest(tx, task.id)
    if before.state is State.QUEUED and before.due_at is not None:  # whoever asks need not wait for that
        runs.ask_cancel(tx, before)
        store.change_state(tx, task.id, State.CANCELLED)
        task, before = store.get(tx, task.id), runs.get(tx, before.id)
    if task.state not in ENDED:
        raise NotPossible(f"Task `{task.id}` {busy(runs.position(tx, before))}. `/cancel` stops it.")
    phase = Phase.PREPARE if ask.text else _phase_without_text(tx, task, before)
    return again(tx, task, replace(ask, text=ask.text or before.request), phase)


def again(tx: Connection, task: Task, ask: RunRequest, phase: Phase) -> Queued:
    """One more run of this task that begins in this phase. Raises NotPossible if the task is not at rest."""
    before = runs.newest(tx, task.id)
    store.change_state(tx, task.id, State.QUEUED)
    task = _with_agent(tx, task, ask)
    # What was said among members stays among them, whoever goes on and where.
    reply_target = replace(
        ask.reply_target, internal=ask.reply_target.internal or before.reply_target.internal
    )
    kept = workspaces.get(tx, task.id)
    gone = kept is not None and kept.removed_at is not None
    # The quarantine outlives the workspace: what was not pushed is there and nowhere else.
    needed = not gone or phase is Phase.PUSH or task.checked_head not in ("", task.pushed_head)
    host = kept.host if kept and needed else ""
    workspaces.retain(tx, task.id, None)
    queued = _add_run(
        tx,
        task,
        replace(ask, reply_target=reply_target),
        _Begin(number=before.number + 1, phase=phase, host=host),
    )
    return replace(queued, workspace_gone=gone)


def after_limit(tx: Connection, task: Task, run: Run, at: float) -> Queued:
    """The same once more, by itself, when a provider's limit has ended: at that time, since the epoch."""
    ask = RunRequest(
        text=run.request,
        context=run.context,
        reply_target=run.reply_target,
        actor=run.asked_by,
        cause=f"{AUTO}{run.id}",
        wall_limit=run.wall_limit,
        due_at=at,
    )
    return again(tx, task, ask, Phase.PREPARE)


def is_awaiting_approval(tx: Connection, task: Task) -> bool:
    """Does a commit of this task wait for an approval?"""
    return task.state is State.WAITING and runs.newest(tx, task.id).outcome is Outcome.HELD


def approve(tx: Connection, task: Task, ask: RunRequest) -> Queued:
    """Let the held commit be pushed, by a run that only does that."""
    store.settle(tx, task.id, approved_head=task.checked_head)
    return again(tx, task, ask, Phase.PUSH)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Begin:
    number: int
    phase: Phase
    host: str


def _with_agent(tx: Connection, task: Task, ask: RunRequest) -> Task:
    """From now on this agent and model work on the task. A model of another agent means nothing to it."""
    agent = ask.agent or task.agent
    model = ask.model or (task.model if agent == task.agent else "")
    store.settle(tx, task.id, agent=agent, model=model)
    return store.get(tx, task.id)


def _add_run(tx: Connection, task: Task, ask: RunRequest, begin: _Begin) -> Queued:
    run = Run(
        id=f"{task.id}-{begin.number}",
        task=task.id,
        number=begin.number,
        thread_key=task.thread_key,
        repository_url=task.thread.repository_url,
        state=State.QUEUED,
        phase=begin.phase,
        first_phase=begin.phase,
        request=ask.text,
        context=ask.context,
        reply_target=ask.reply_target,
        cause=ask.cause,
        agent=task.agent,
        asked_by=ask.actor,
        host=begin.host,
        wall_limit=ask.wall_limit,
        due_at=ask.due_at,
    )
    runs.add(tx, run, forge=task.thread.forge, repository_id=task.thread.repository_id)
    run = runs.get(tx, run.id)
    return Queued(task=store.get(tx, task.id), run=run, position=runs.position(tx, run))


def _phase_without_text(tx: Connection, task: Task, before: Run) -> Phase:
    """Where a run without new words begins: what failed is done again, and nothing that had passed."""
    if before.outcome is Outcome.HELD:
        approve_it = for_forge("/approve", task.thread.forge)
        raise NotPossible(
            f"Task `{task.id}` holds commit `{task.checked_head}`. `{approve_it}` pushes it, "
            "`/resume <what to do instead>` lets the agent go on."
        )
    if before.outcome is Outcome.QUESTION:
        raise NotPossible(f"The agent of task `{task.id}` has asked something: `/resume <your answer>`.")
    if task.state is State.SUCCEEDED:
        raise NotPossible(f"Task `{task.id}` is done. Say what is next: `/resume <what to do>`.")
    pushing = before.first_phase is Phase.PUSH or any(
        phase is Phase.PUSH for phase, _, _ in runs.phase_times(tx, before.id)
    )
    return Phase.PUSH if pushing else Phase.PREPARE
