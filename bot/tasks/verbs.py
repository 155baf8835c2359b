"""The verbs of a task, as handlers use them: open, retry, resume, cancel, approve, keep, discard.

A command counts against what the ledger says at this moment, inside the caller's
transaction: a person may be answered a minute after the run they mean has ended.
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from functools import partial

from sqlalchemy import Connection

from bot.domain.command import WHOLE_THREAD, Command
from bot.domain.errors import NotPossible, NotUnderstood
from bot.domain.lifecycle import ENDED
from bot.domain.task import Run, Task, new_task_id
from bot.domain.thread import Thread
from bot.reports import phrases
from bot.reports.command_syntax import for_forge
from bot.store import patches, runs, workspaces
from bot.store import tasks as store
from bot.store.patches import Patch
from bot.store.workspaces import WorkspaceRow
from bot.tasks import cancel, enqueue, retention
from bot.tasks.enqueue import Queued, RunRequest, TaskPlan
from bot.tasks.start_point import starting_point
from bot.text.markdown import is_plain


@dataclass(frozen=True, slots=True, kw_only=True)
class Defaults:
    """What holds where a command says nothing. Wall limits are in seconds, and the most one may ask for."""

    agents: Collection[str]
    agent: str
    wall_limit: int
    bot_names: Mapping[str, str]  # by forge
    labels: Mapping[str, str]  # what they ask for, besides the bot's own
    # Of repositories that have their own, by path in lower case.
    wall_limits: Mapping[str, int] = field(default_factory=dict)
    change: str = "draft"


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a task stands: its newest run, its place in line (0: not waiting), its workspace."""

    task: Task
    run: Run
    position: int
    kept: WorkspaceRow | None


@dataclass(frozen=True, slots=True)
class PatchView:
    """How a task stands, and the patch of the last run that left one."""

    standing: Standing
    patch: Patch | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tasks:
    """What handlers may do, in one transaction. `help` has a line for each command there is."""

    tx: Connection
    defaults: Defaults
    help: Sequence[str]
    patch_url: Callable[[str], str]  # address of what a task's last run left

    def open(self, command: Command) -> Queued:
        """A new task with its first run. Raises NotPossible, NotUnderstood on options that cannot be met."""
        confidential = command.thread.confidential or command.reply_target.internal
        plan = TaskPlan(
            agent=agent_named(self.defaults, command.options.agent),
            model=command.options.model,
            change=command.options.pr or ("none" if confidential else self.defaults.change),
        )
        plan = starting_point(command, plan, here=command.options.here)
        ask = self._ask(command, command.text or WHOLE_THREAD)
        return enqueue.open_task(self.tx, (new_task_id(), command.thread, command.thread.key), plan, ask)

    def resume(self, command: Command) -> Queued:
        """One more run of the thread's newest task, or of the one named. Raises NotPossible."""
        task = self._any(command)
        before = runs.newest(self.tx, task.id)
        ask = self._ask(command, command.text, before.wall_limit)
        if command.options.agent:
            ask = replace(ask, agent=agent_named(self.defaults, command.options.agent))
        return enqueue.resume(self.tx, task, replace(ask, model=command.options.model))

    def retry(self, command: Command) -> tuple[Queued, Task]:
        """A new task that is asked what another was asked at first, and that other. Raises as `open`.

        The other is the thread's newest, or the one named. Raises NotPossible until it has ended.
        """
        old = self._any(command)
        if _is_open(old):
            busy = phrases.busy(_standing(self.tx, old).position)
            raise NotPossible(f"Task `{old.id}` {busy}. After a `/cancel` it may be tried again.")
        first = runs.of_task(self.tx, old.id)[0]
        internal = command.reply_target.internal or first.reply_target.internal
        agent = agent_named(self.defaults, command.options.agent or old.agent)
        plan = TaskPlan(
            agent=agent,
            model=command.options.model or (old.model if agent == old.agent else ""),
            change="none" if internal and not first.reply_target.internal else old.change,
            base=old.base,
        )
        plan = starting_point(command, plan, here=old.here)
        ask = replace(
            self._ask(command, first.request, first.wall_limit),
            context=first.context,
            reply_target=replace(command.reply_target, internal=internal),
        )
        return enqueue.open_task(self.tx, (new_task_id(), command.thread, command.thread.key), plan, ask), old

    def cancel(self, command: Command) -> Task:
        """Stop the newest task that has not ended, or the one named. CANCELLED: its run never started.

        Raises NotPossible if there is none, or its push has begun.
        """
        task = self._meant(command, _is_open, "There is nothing to cancel on this thread.")
        return cancel.cancel(self.tx, task)

    def approve(self, command: Command) -> Queued:
        """Let the held commit be pushed; the text may name it. Raises NotPossible, NotUnderstood."""
        task = self._meant(
            command,
            partial(enqueue.is_awaiting_approval, self.tx),
            "Nothing on this thread waits for an approval.",
        )
        _must_name(command.text, task)
        before = runs.newest(self.tx, task.id)
        return enqueue.approve(self.tx, task, self._ask(command, before.request, before.wall_limit))

    def left(self, command: Command) -> PatchView:
        """What the newest task of the thread, or the one named, has left so far.

        Raises NotPossible, also where others than members would read what only they were told.
        """
        standing = _standing(self.tx, self._any(command))
        if standing.run.reply_target.internal and not command.reply_target.internal:
            raise NotPossible(
                f"Task `{standing.task.id}` was asked where only members can read. `/diff` answers there."
            )
        return PatchView(standing, patches.newest(self.tx, standing.task.id))

    def keep(self, command: Command, days: int) -> tuple[Task, float | None]:
        """Keep a workspace for so many days; until when, in seconds since the epoch.

        None: from the end of the run that waits or works. Raises NotPossible.
        """
        task = self._any(command)
        return task, retention.keep(self.tx, task.id, days)

    def discard(self, command: Command) -> Task:
        """Let a workspace go now. Raises NotPossible where a run needs it, or there is none."""
        return retention.discard(self.tx, self._any(command).id)

    def of_thread(self, thread: Thread) -> list[Standing]:
        """How the tasks of this thread stand, newest first."""
        return [_standing(self.tx, task) for task in store.of_thread(self.tx, thread.key)]

    def _ask(self, command: Command, text: str, wall_limit: int | None = None) -> RunRequest:
        most = self.defaults.wall_limits.get(command.thread.path.lower(), self.defaults.wall_limit)
        wanted = command.options.timeout
        if wanted and wanted > most:
            raise NotPossible(f"`--timeout` is at most `{most}s` here.")
        return RunRequest(
            text=text,
            context=command.context,
            reply_target=command.reply_target,
            actor=command.actor,
            cause=command.cause,
            wall_limit=wanted or min(wall_limit or most, most),
        )

    def _any(self, command: Command) -> Task:
        return self._meant(command, lambda _: True, "There is no task on this thread. Start with `/run`.")

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


def _standing(tx: Connection, task: Task) -> Standing:
    run = runs.newest(tx, task.id)
    return Standing(task=task, run=run, position=runs.position(tx, run), kept=workspaces.get(tx, task.id))


def _is_open(task: Task) -> bool:
    return task.state not in ENDED


def agent_named(defaults: Defaults, wanted: str) -> str:
    """The agent of this name, or the usual one. Raises NotUnderstood, with the nearest there is."""
    if not wanted or wanted in defaults.agents:
        return wanted or defaults.agent
    near = get_close_matches(wanted, defaults.agents, n=1)
    hint = (
        f"Did you mean `{near[0]}`?" if near else "There is " + ", ".join(f"`{a}`" for a in defaults.agents)
    )
    raise NotUnderstood(f"No agent of that name is set up here. {hint}")


def _must_name(text: str, task: Task) -> None:
    """An approval is for one commit: whatever is written after the command has to be it."""
    given = text.split(maxsplit=1)[0].strip("`").lower() if text else ""
    if given and not re.fullmatch(r"[0-9a-f]{7,64}", given):
        example = for_forge(f"/approve {task.checked_head[:12]}", task.thread.forge)
        raise NotUnderstood(f"An approval takes the held commit and nothing else: `{example}`.")
    if not task.checked_head.startswith(given):
        raise NotPossible(f"What is held is commit `{task.checked_head}`, not the one you named.")
