"""Verbs of tasks, as handlers call them: open, retry, resume, cancel, approve, keep, discard.

A command is checked against the ledger's state at this moment, inside the caller's transaction: a command
may be answered a minute after the run that it is about has ended.
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
from bot.store import patches, workspaces
from bot.store import runs as run_rows
from bot.store import tasks as task_rows
from bot.store.patches import Patch
from bot.store.workspaces import WorkspaceRow
from bot.tasks import cancel, enqueue, retention
from bot.tasks.enqueue import Queued, RunRequest
from bot.tasks.start_point import from_start_point
from bot.text.markdown import is_plain
from bot.text.units import brief_limit


@dataclass(frozen=True, slots=True, kw_only=True)
class Defaults:
    """The agents, labels and limits of commands, and the values for options that a command leaves out.

    Wall limits are in seconds; no option may exceed them.
    """

    agents: Collection[str]
    agent: str
    wall_limit: int
    bot_names: Mapping[str, str]  # by forge
    labels: Mapping[str, str]  # texts of the labels in the settings
    # Of repositories with a limit of their own, by path in lower case.
    wall_limits: Mapping[str, int] = field(default_factory=dict)
    change_form: str = "draft"  # of the change to open: draft | ready | link | none


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """The state of a task: its newest run, that run's queue position (0: not queued), its workspace."""

    task: Task
    run: Run
    position: int
    workspace: WorkspaceRow | None


@dataclass(frozen=True, slots=True)
class PatchView:
    """The state of a task, and its newest patch."""

    standing: Standing
    patch: Patch | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tasks:
    """The verbs that handlers may call, in one transaction. `help` has a line for each command."""

    tx: Connection
    defaults: Defaults
    help: Sequence[str]
    patch_url: Callable[[str], str]  # the address of a task's newest patch, by the task's id

    def open(self, command: Command) -> Queued:
        """Open a task and queue its first run.

        Raises NotPossible, or NotUnderstood, on options that do not fit the thread.
        """
        confidential = command.thread.confidential or command.reply_target.internal
        request = self._request(command, command.text or WHOLE_THREAD)
        request = replace(
            request,
            agent=request.agent or self.defaults.agent,
            change_form=command.options.pr or ("none" if confidential else self.defaults.change_form),
        )
        return self._open(command, request, here=command.options.here)

    def resume(self, command: Command) -> Queued:
        """Queue one more run of the thread's newest task, or of the named one. Raises NotPossible."""
        task = self._any_task(command)
        before = run_rows.newest(self.tx, task.id)
        return enqueue.resume(self.tx, task, self._request(command, command.text, before.wall_limit))

    def retry(self, command: Command) -> tuple[Queued, Task]:
        """Open a task with the first request of an old one, and return the old one too.

        The old one is the thread's newest task, or the named one. Raises NotPossible if it has not
        ended, and whatever `open` raises.
        """
        old = self._any_task(command)
        if _is_open(old):
            busy = phrases.busy(_standing(self.tx, old).position)
            raise NotPossible(f"Task `{old.id}` {busy}. After a `/cancel` it may be tried again.")
        first = run_rows.of_task(self.tx, old.id)[0]
        internal = command.reply_target.internal or first.reply_target.internal
        request = self._request(command, first.request, first.wall_limit)
        agent = request.agent or agent_named(self.defaults, old.agent)
        request = replace(
            request,
            agent=agent,
            model=request.model or (old.model if agent == old.agent else ""),
            change_form="none" if internal and not first.reply_target.internal else old.change_form,
            base=old.base,
            context=first.context,
            reply_target=replace(command.reply_target, internal=internal),
        )
        return self._open(command, request, here=old.here), old

    def cancel(self, command: Command) -> Task:
        """Cancel the newest task that has not ended, or the named one, and return it.

        The returned state is CANCELLED if the run had not begun, else RUNNING: its worker will stop it.
        Raises NotPossible if there is no such task, or if its push has begun.
        """
        task = self._task(command, _is_open, "There is nothing to cancel on this thread.")
        return cancel.cancel(self.tx, task)

    def approve(self, command: Command) -> Queued:
        """Queue the push of the commit that awaits approval.

        The text may name that commit. Raises NotPossible, or NotUnderstood.
        """
        task = self._task(
            command,
            partial(enqueue.is_awaiting_approval, self.tx),
            "Nothing on this thread awaits approval.",
        )
        _check_commit(command.text, task)
        before = run_rows.newest(self.tx, task.id)
        return enqueue.approve(self.tx, task, self._request(command, before.request, before.wall_limit))

    def patch(self, command: Command) -> PatchView:
        """Return the newest patch of the thread's newest task, or of the named one.

        Raises NotPossible, also if the task is confidential and the reply would be public.
        """
        standing = _standing(self.tx, self._any_task(command))
        if standing.run.reply_target.internal and not command.reply_target.internal:
            raise NotPossible(
                f"Task `{standing.task.id}` was given in a comment that only members can read. "
                "`/diff` answers there."
            )
        return PatchView(standing, patches.newest(self.tx, standing.task.id))

    def keep(self, command: Command, days: int) -> tuple[Task, float | None]:
        """Keep a workspace for so many days. Raises NotPossible.

        Return its task and the end of that time, in seconds since the epoch. None: the days are counted
        from the end of the run that is queued or running.
        """
        task = self._any_task(command)
        return task, retention.keep(self.tx, task.id, days)

    def discard(self, command: Command) -> Task:
        """Let a workspace be removed now. Raises NotPossible if a run needs it, or there is none."""
        return retention.discard(self.tx, self._any_task(command).id)

    def of_thread(self, thread: Thread) -> list[Standing]:
        """Return the states of the 20 newest tasks of this thread, newest first."""
        return [_standing(self.tx, task) for task in task_rows.of_thread(self.tx, thread.key)]

    def _open(self, command: Command, request: RunRequest, *, here: bool) -> Queued:
        request = from_start_point(command, request, here=here)
        return enqueue.open_task(self.tx, new_task_id(), command.thread, request)

    def _request(self, command: Command, text: str, wall_limit: int | None = None) -> RunRequest:
        """Return the run that the command requests. `wall_limit`: that of the run before, in seconds."""
        options = command.options
        highest = self.defaults.wall_limits.get(command.thread.path.lower(), self.defaults.wall_limit)
        if options.timeout and options.timeout > highest:
            raise NotPossible(f"`--timeout` is at most `{brief_limit(highest)}` here.")
        return RunRequest(
            text=text,
            context=command.context,
            reply_target=command.reply_target,
            actor=command.actor,
            cause=command.cause,
            wall_limit=options.timeout or min(wall_limit or highest, highest),
            agent=agent_named(self.defaults, options.agent) if options.agent else "",
            model=options.model,
        )

    def _any_task(self, command: Command) -> Task:
        return self._task(command, lambda _: True, "There is no task on this thread. Start with `/run`.")

    def _task(self, command: Command, fits: Callable[[Task], bool], otherwise: str) -> Task:
        """Return the task named by `--task`, else the newest of the thread that fits. Raises NotPossible."""
        tasks = task_rows.of_thread(self.tx, command.thread.key, limit=1000)
        if named := command.options.task:
            tasks = [task for task in tasks if task.id == named]
            if not tasks:
                name = f"`{named}`" if is_plain(named) else "of that name"
                raise NotPossible(f"There is no task {name} on this thread. `/status` lists them.")
        for task in tasks:
            if fits(task):
                return task
        raise NotPossible(f"Task `{tasks[0].id}` is {tasks[0].state}. {otherwise}" if named else otherwise)


def _standing(tx: Connection, task: Task) -> Standing:
    run = run_rows.newest(tx, task.id)
    return Standing(
        task=task, run=run, position=run_rows.queue_position(tx, run), workspace=workspaces.get(tx, task.id)
    )


def _is_open(task: Task) -> bool:
    return task.state not in ENDED


def agent_named(defaults: Defaults, name: str) -> str:
    """Return the agent of this name, or the default one. Raises NotUnderstood, which suggests the nearest."""
    if not name or name in defaults.agents:
        return name or defaults.agent
    near = get_close_matches(name, defaults.agents, n=1)
    known = ", ".join(f"`{agent}`" for agent in defaults.agents)
    hint = f"Did you mean `{near[0]}`?" if near else f"The known agents: {known}."
    raise NotUnderstood(f"No agent of that name is set up here. {hint}")


def _check_commit(text: str, task: Task) -> None:
    """Check that the text of an approval, if any, names the commit that awaits approval."""
    commit = text.split(maxsplit=1)[0].strip("`").lower() if text else ""
    if commit and not re.fullmatch(r"[0-9a-f]{7,64}", commit):
        example = for_forge(f"/approve {task.checked_head[:12]}", task.thread.forge)
        raise NotUnderstood(f"`/approve` takes the commit that waits for it and nothing else: `{example}`.")
    if not task.checked_head.startswith(commit):
        raise NotPossible(f"Commit `{task.checked_head}` awaits approval, not the one you named.")
