"""Queueing a run: its instructions, first phase and host."""

import re
import unicodedata
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from bot.domain.errors import NotPossible
from bot.domain.lifecycle import ENDED, Phase, State
from bot.domain.outcomes import Outcome
from bot.domain.task import Run, Task
from bot.domain.thread import Actor, Kind, Part, ReplyTarget, Thread
from bot.reports.command_syntax import for_forge
from bot.reports.phrases import busy
from bot.store import runs as run_rows
from bot.store import tasks as task_rows
from bot.store import workspaces

AUTO = "auto:"  # prefix of the idempotency keys of automatic runs; the id of the run before follows
_SLUG = 40  # characters of a title that a branch name carries


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """A request for a run. `wall_limit` is in seconds.

    `agent` and `model` "": those of the task. `due_at`: not before then, in seconds since the epoch.
    """

    text: str
    context: tuple[Part, ...]  # untrusted
    reply_target: ReplyTarget
    actor: Actor
    cause: str
    wall_limit: int
    agent: str = ""
    model: str = ""
    due_at: float | None = None

    # Only a new task takes these; a task that exists has its own.
    change_form: str = "none"  # of the change to open: draft | ready | link | none
    base: str = ""  # "" = the default branch
    pinned: str = ""  # head of the change that the command was given on; "" on issues
    fork: bool = False  # that change comes from another repository
    branch: str = ""  # branch to push to; "" = a new one of the task's own


@dataclass(frozen=True, slots=True, kw_only=True)
class Queued:
    """A queued run. `position` 1 is next; `workspace_gone`: the task had a workspace that was removed."""

    task: Task
    run: Run
    position: int
    workspace_gone: bool = False

    @property
    def only_push(self) -> bool:
        return self.run.first_phase is Phase.PUSH


def open_task(tx: Connection, task_id: str, thread: Thread, request: RunRequest) -> Queued:
    """Create a task on this thread and queue its first run. `request` must name an agent."""
    confidential = thread.confidential or request.reply_target.internal
    task = Task(
        id=task_id,
        thread=thread,
        thread_key=f"cli:{task_id}" if thread.kind is Kind.CLI else thread.key,
        state=State.QUEUED,
        agent=request.agent,
        model=request.model,
        change_form=request.change_form,
        base=request.base,
        branch=request.branch or branch_of(thread, task_id, named=not confidential),
        pinned=request.pinned,
        fork=request.fork,
    )
    task_rows.add(tx, task)
    return _add_run(tx, task, request, _Start(number=1, phase=Phase.PREPARE, host=""))


def branch_of(thread: Thread, task_id: str, *, named: bool) -> str:
    """Name the task's branch with ASCII letters, digits and dashes only, whatever the title has.

    `named` False: without the title, because not everybody who can see the branch may read the title.
    """
    ascii_title = unicodedata.normalize("NFKD", thread.title).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "-", ascii_title)[:_SLUG].strip("-")
    parts = [str(thread.number) if thread.number else "", slug if named else "", task_id]
    return "forgehand/" + "-".join(part for part in parts if part)


def resume(tx: Connection, task: Task, request: RunRequest) -> Queued:
    """Queue one more run of a task that has ended.

    Raises NotPossible if the task has not ended, or needs a text or an approval to go on.
    """
    before = run_rows.newest(tx, task.id)
    if before.state is State.QUEUED and before.due_at is not None:  # this request replaces the automatic run
        run_rows.ask_cancel(tx, before)
        task_rows.change_state(tx, task.id, State.CANCELLED)
        task, before = task_rows.get(tx, task.id), run_rows.get(tx, before.id)
    if task.state not in ENDED:
        raise NotPossible(
            f"Task `{task.id}` {busy(run_rows.queue_position(tx, before))}. `/cancel` stops it."
        )
    phase = Phase.PREPARE if request.text else _phase_without_text(tx, task, before)
    return again(tx, task, replace(request, text=request.text or before.request), phase)


def again(tx: Connection, task: Task, request: RunRequest, phase: Phase) -> Queued:
    """Queue one more run of this task that begins in this phase. Raises NotPossible if it has not ended."""
    before = run_rows.newest(tx, task.id)
    task_rows.change_state(tx, task.id, State.QUEUED)
    task = _with_agent(tx, task, request)
    # If one run was requested in an internal comment, the replies to all later runs are internal, too.
    internal = request.reply_target.internal or before.reply_target.internal
    request = replace(request, reply_target=replace(request.reply_target, internal=internal))
    workspace = workspaces.get(tx, task.id)
    gone = workspace is not None and workspace.removed_at is not None
    # The quarantine outlives the workspace: commits that were not pushed exist only there.
    needed = not gone or phase is Phase.PUSH or task.checked_head not in ("", task.pushed_head)
    host = workspace.host if workspace and needed else ""
    workspaces.retain(tx, task.id, None)
    queued = _add_run(tx, task, request, _Start(number=before.number + 1, phase=phase, host=host))
    return replace(queued, workspace_gone=gone)


def after_limit(tx: Connection, task: Task, run: Run, at: float) -> Queued:
    """Queue the run's request once more, for the end of a provider's limit.

    `at` is that time, in seconds since the epoch.
    """
    request = RunRequest(
        text=run.request,
        context=run.context,
        reply_target=run.reply_target,
        actor=run.asked_by,
        cause=f"{AUTO}{run.id}",
        wall_limit=run.wall_limit,
        due_at=at,
    )
    return again(tx, task, request, Phase.PREPARE)


def is_awaiting_approval(tx: Connection, task: Task) -> bool:
    """Report whether a commit of this task awaits approval."""
    return task.state is State.WAITING and run_rows.newest(tx, task.id).outcome is Outcome.HELD


def approve(tx: Connection, task: Task, request: RunRequest) -> Queued:
    """Queue a run that only pushes the commit which awaits approval."""
    task_rows.write(tx, task.id, approved_head=task.checked_head)
    return again(tx, task, request, Phase.PUSH)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Start:
    """The start of a run. `host` "": any host may claim it."""

    number: int
    phase: Phase
    host: str


def _with_agent(tx: Connection, task: Task, request: RunRequest) -> Task:
    """Give the task the requested agent and model. A different agent starts without the old one's model."""
    agent = request.agent or task.agent
    model = request.model or (task.model if agent == task.agent else "")
    task_rows.write(tx, task.id, agent=agent, model=model)
    return task_rows.get(tx, task.id)


def _add_run(tx: Connection, task: Task, request: RunRequest, start: _Start) -> Queued:
    run = Run(
        id=f"{task.id}-{start.number}",
        task=task.id,
        number=start.number,
        thread_key=task.thread_key,
        repository_url=task.thread.repository_url,
        state=State.QUEUED,
        phase=start.phase,
        first_phase=start.phase,
        request=request.text,
        context=request.context,
        reply_target=request.reply_target,
        cause=request.cause,
        agent=task.agent,
        asked_by=request.actor,
        host=start.host,
        wall_limit=request.wall_limit,
        due_at=request.due_at,
    )
    run_rows.add(tx, run, forge=task.thread.forge, repository_id=task.thread.repository_id)
    run = run_rows.get(tx, run.id)
    return Queued(task=task_rows.get(tx, task.id), run=run, position=run_rows.queue_position(tx, run))


def _phase_without_text(tx: Connection, task: Task, before: Run) -> Phase:
    """Return the first phase of a run without new instructions: push if the push had begun, else prepare."""
    if before.outcome is Outcome.HELD:
        command = for_forge("/approve", task.thread.forge)
        raise NotPossible(
            f"Commit `{task.checked_head}` of task `{task.id}` awaits approval. `{command}` pushes it, "
            "`/resume <what to do instead>` makes the agent continue without a push."
        )
    if before.outcome is Outcome.QUESTION:
        raise NotPossible(
            f"The agent of task `{task.id}` asked a question. Answer it with `/resume <your answer>`."
        )
    if task.state is State.SUCCEEDED:
        raise NotPossible(f"Task `{task.id}` is done. Add instructions: `/resume <what to do>`.")
    if before.outcome is Outcome.CHANGE_ENDED:
        return Phase.PREPARE  # which takes the work to a new branch
    pushing = before.first_phase is Phase.PUSH or any(
        phase is Phase.PUSH for phase, _, _ in run_rows.phase_times(tx, before.id)
    )
    return Phase.PUSH if pushing else Phase.PREPARE
