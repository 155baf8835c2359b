"""The verbs of a task: open, resume, cancel, approve. What handlers and the operator's commands use.

A command counts against what the ledger says at this moment, inside the caller's
transaction: a person may be answered a minute after the run they mean has ended.
"""

import re
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial

from sqlalchemy import Connection

from bot import line
from bot.commands import WHOLE_THREAD, Command, is_plain
from bot.errors import NotPossible, NotUnderstood
from bot.forges.forge import Verdict
from bot.line import Ask, Plan, Queued
from bot.model import ENDED, Actor, Kind, Outcome, Part, Phase, Run, Spot, State, Task, Thread, new_task_id
from bot.store import outbox, runs, workspaces
from bot.store import tasks as store
from bot.store.ledger import clock
from bot.store.outbox import Outgoing, Wanted
from bot.store.workspaces import Kept

_DAY = 86400.0
# Seconds a workspace is kept once its task has come to rest in this state.
KEEP: dict[State, float] = {
    State.SUCCEEDED: 2 * _DAY,
    State.FAILED: 7 * _DAY,
    State.CANCELLED: 7 * _DAY,
    State.WAITING: 7 * _DAY,
}
OPERATOR = Actor(id=0, login="operator")


@dataclass(frozen=True, slots=True, kw_only=True)
class Defaults:
    """What holds where a command says nothing. `wall_limit` is in seconds, and the most one may ask for."""

    agents: Collection[str]
    agent: str
    wall_limit: int
    bot_names: Mapping[str, str]  # by forge
    labels: Mapping[str, str]  # what they ask for, besides the bot's own
    change: str = "draft"


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a task stands: its newest run, its place in line (0: not waiting), its workspace."""

    task: Task
    run: Run
    position: int
    kept: Kept | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tasks:
    """What handlers may do, in one transaction. `help` has a line for each command there is."""

    tx: Connection
    defaults: Defaults
    help: Sequence[str]

    def open(self, command: Command) -> Queued:
        """A new task with its first run. Raises NotPossible, NotUnderstood on options that cannot be met."""
        base, pinned, fork = _starting_point(command)
        confidential = command.thread.confidential or command.spot.internal
        plan = Plan(
            agent=_agent(self.defaults, command.options.agent),
            change=command.options.pr or ("none" if confidential else self.defaults.change),
            base=base,
            pinned=pinned,
            fork=fork,
        )
        ask = self._ask(command, command.text or WHOLE_THREAD, self.defaults.wall_limit)
        return line.open_task(self.tx, (new_task_id(), command.thread, command.thread.key), plan, ask)

    def resume(self, command: Command) -> Queued:
        """One more run of the thread's newest task, or of the one named. Raises NotPossible."""
        task = self._meant(command, lambda _: True, "There is no task on this thread. Start with `/run`.")
        before = runs.newest(self.tx, task.id)
        return line.resume(self.tx, task, self._ask(command, command.text, before.wall_limit))

    def cancel(self, command: Command) -> Task:
        """Stop the newest task that has not ended, or the one named. CANCELLED: its run never started.

        Raises NotPossible if there is none, or its push has begun.
        """
        return _cancel(self.tx, self._meant(command, _is_open, "There is nothing to cancel on this thread."))

    def approve(self, command: Command) -> Queued:
        """Let the held commit be pushed; the text may name it. Raises NotPossible, NotUnderstood."""
        task = self._meant(
            command, partial(_is_held, self.tx), "Nothing on this thread waits for an approval."
        )
        _must_name(command.text, task.checked_head)
        before = runs.newest(self.tx, task.id)
        return _approve(self.tx, task, self._ask(command, before.request, before.wall_limit))

    def of_thread(self, thread: Thread) -> list[Standing]:
        """How the tasks of this thread stand, newest first."""
        return [_standing(self.tx, task) for task in store.of_thread(self.tx, thread.key)]

    def _ask(self, command: Command, text: str, wall_limit: int) -> Ask:
        most, wanted = self.defaults.wall_limit, command.options.timeout
        if wanted and wanted > most:
            raise NotPossible(f"`--timeout` is at most `{most}s` here.")
        return Ask(
            text=text,
            context=command.context,
            spot=command.spot,
            actor=command.actor,
            cause=command.cause,
            wall_limit=wanted or wall_limit,
        )

    def _meant(self, command: Command, fits: Callable[[Task], bool], otherwise: str) -> Task:
        """The task named by `--task`, else the newest of the thread that fits. Raises NotPossible."""
        tasks = store.of_thread(self.tx, command.thread.key, limit=1000)
        if named := command.options.task:
            tasks = [task for task in tasks if task.id == named]
            if not tasks:
                said = f"`{named}`" if is_plain(named) else "of that name"
                raise NotPossible(f"There is no task {said} on this thread. `/status` lists them.")
        for task in tasks:
            if fits(task):
                return task
        raise NotPossible(f"Task `{tasks[0].id}` is {tasks[0].state}. {otherwise}" if named else otherwise)


def open_from_cli(
    tx: Connection, defaults: Defaults, *, repository_url: str, request: str, agent: str = "", base: str = ""
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
    plan = Plan(agent=_agent(defaults, agent), change="none", base=base)
    ask = _ask_of_operator(request, defaults.wall_limit)
    return line.open_task(tx, (task_id, thread, f"cli:{task_id}"), plan, ask)


def resume_from_cli(tx: Connection, task_id: str, text: str) -> Queued:
    """The operator's `forgehand resume`, of any task. Raises NotPossible."""
    before = runs.newest(tx, store.get(tx, task_id).id)
    ask = _ask_of_operator(text, before.wall_limit, context=before.context)
    return line.resume(tx, store.get(tx, task_id), ask)


def approve_from_cli(tx: Connection, task_id: str) -> Queued:
    """The operator's `forgehand approve`, of any task. Raises NotPossible if it holds nothing."""
    task = store.get(tx, task_id)
    if not _is_held(tx, task):
        raise NotPossible(f"Task `{task_id}` is {task.state}: nothing of it waits for an approval.")
    before = runs.newest(tx, task_id)
    return _approve(tx, task, _ask_of_operator(before.request, before.wall_limit, context=before.context))


def cancel_from_cli(tx: Connection, task_id: str) -> Task:
    """The operator's `forgehand cancel`, of any task. Raises NotPossible if it has ended or is pushing."""
    task = store.get(tx, task_id)
    if not _is_open(task):
        raise NotPossible(f"Task `{task_id}` is {task.state} already.")
    return _cancel(tx, task)


def _ask_of_operator(text: str, wall_limit: int, context: tuple[Part, ...] = ()) -> Ask:
    cause = f"cli:{uuid.uuid4()}"
    return Ask(
        text=text.strip(), context=context, spot=Spot(), actor=OPERATOR, cause=cause, wall_limit=wall_limit
    )


def _is_held(tx: Connection, task: Task) -> bool:
    return task.state is State.WAITING and runs.newest(tx, task.id).outcome is Outcome.HELD


def _approve(tx: Connection, task: Task, ask: Ask) -> Queued:
    store.settle(tx, task.id, approved_head=task.checked_head)
    return line.again(tx, task, ask, Phase.PUSH)


def _cancel(tx: Connection, task: Task) -> Task:
    run = runs.newest(tx, task.id)
    if not runs.ask_cancel(tx, run):
        raise NotPossible(f"The push of task `{task.id}` has begun: the run ends as it would have.")
    run = runs.get(tx, run.id)
    if run.state is State.CANCELLED:
        store.change_state(tx, task.id, State.CANCELLED)
        workspaces.keep(tx, task.id, clock(tx) + KEEP[State.CANCELLED])
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
        content = {"verdict": Verdict.FAILURE, "description": "Cancelled."}
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


def _standing(tx: Connection, task: Task) -> Standing:
    run = runs.newest(tx, task.id)
    return Standing(task=task, run=run, position=runs.position(tx, run), kept=workspaces.get(tx, task.id))


def _is_open(task: Task) -> bool:
    return task.state not in ENDED


def _agent(defaults: Defaults, wanted: str) -> str:
    if not wanted or wanted in defaults.agents:
        return wanted or defaults.agent
    near = get_close_matches(wanted, defaults.agents, n=1)
    hint = (
        f"Did you mean `{near[0]}`?" if near else "There is " + ", ".join(f"`{a}`" for a in defaults.agents)
    )
    raise NotUnderstood(f"No agent of that name is set up here. {hint}")


def _starting_point(command: Command) -> tuple[str, str, bool]:
    """(base, pinned head, is it a fork's) of a new task.

    On a change the work starts from its head as it stood when we asked, and is for its own branch; a
    fork's branch is not ours to write to, so there the work is for the branch the change is for.
    """
    change = command.change
    if change is None:
        return command.options.base, "", False
    if command.options.base:
        raise NotPossible("`--base` is for issues: work on a change starts from the change's own branch.")
    if not change.open:
        raise NotPossible("This change is closed or merged. Say it on one that is open, or on an issue.")
    if not change.same_repository:
        return change.base_branch, change.head, True
    return change.head_branch, change.head, False


def _must_name(text: str, held: str) -> None:
    """An approval is for one commit: whatever is written after the command has to be it."""
    given = text.split(maxsplit=1)[0].strip("`").lower() if text else ""
    if given and not re.fullmatch(r"[0-9a-f]{7,64}", given):
        raise NotUnderstood(f"`/approve` takes the held commit and nothing else: `/approve {held[:12]}`.")
    if not held.startswith(given):
        raise NotPossible(f"What is held is commit `{held}`, not the one you named.")
