"""List, measure and remove the workspaces of this host for `forgehand workspaces`."""

import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial

from rich.console import Console
from rich.progress import track

from bot.app import log
from bot.app.build import build_runtime
from bot.app.cli.ledger_access import existing_ledger
from bot.app.cli.output import Row, say, show
from bot.app.cli.task_list import place
from bot.app.settings.settings import Settings
from bot.domain.errors import BotError, NotPossible
from bot.domain.interrupt import uninterrupted
from bot.domain.nudges import Nudges
from bot.domain.task import Task
from bot.reports.command_syntax import shell_command
from bot.runs.removal_attempt import Terms, records
from bot.runs.runtime import Runtime
from bot.runs.workspace_removal import export_and_remove, remove_leftover, remove_set_aside
from bot.sandbox import container_names
from bot.sandbox.workspace import task_of
from bot.store import removals, tasks, workspaces
from bot.store.process_locks import is_dead
from bot.store.removals import MOST_DEATHS, Removal
from bot.store.workspaces import WorkspaceRow
from bot.text.units import human, iso, remaining

_PATIENCE = 60.0  # seconds to wait for another process that removes the same workspace
_MEASURED_AT_ONCE = 4
_MEASURING = 60.0  # seconds for all sizes together; the rest is not measured

_BUSY = "The bot is exporting or removing the workspace of task `{task}` now. Try again in a minute."
_STUCK = (
    f"the bot died {MOST_DEATHS} times while it exported or removed the workspace of {{task}}. This command "
    "removes it without an export, so work that was not exported before will be lost. To export it first, "
    "use --retry-export."
)

Confirm = Callable[[str], None]  # asks a question; does not return if the answer is no


@dataclass(frozen=True, slots=True)
class _HostedWorkspace:
    folder: str
    owner: Task | None  # None: the bot has given the folder up after its removal from the ledger
    keep_until: float | None  # seconds since the epoch; None = in use
    is_stuck: bool
    size: int | None  # bytes; None = not measured


def ls(settings: Settings, *, as_json: bool) -> None:
    """Print the workspaces with their sizes, oldest first; then folders that the bot has given up."""
    with _runtime(settings) as runtime:
        host = runtime.worker.host
        with runtime.ledger.read() as tx:
            rows = workspaces.present(tx, host)
            owners = {each.task: tasks.get(tx, each.task) for each in rows}
            stuck = {name for name, each in removals.of_host(tx, host).items() if _is_stuck(runtime, each)}
        folders = [each.task for each in rows]
        folders += sorted(stuck - set(folders))
        sizes = _sizes(runtime, folders)
    ends = {each.task: each.keep_until for each in rows}
    describe = _row if as_json else _brief
    table = [
        describe(
            _HostedWorkspace(folder, owners.get(folder), ends.get(folder), folder in stuck, size),
            str(runtime.data.workspaces),
        )
        for folder, size in zip(folders, sizes, strict=True)
    ]
    show(table, as_json=as_json, none="No workspaces on this host.")
    if table and not as_json:
        say(f"the folders are in {runtime.data.workspaces}")


def _row(listed: _HostedWorkspace, parent: str) -> Row:
    """Return a workspace for scripts."""
    is_present = listed.owner is not None
    return {
        "task": task_of(listed.folder),
        "repository": listed.owner.thread.repository_url if listed.owner else "",
        "state": listed.owner.state if listed.owner else "removed",
        "kept_until": iso(listed.keep_until) if listed.keep_until else "in use" if is_present else "",
        "bytes": listed.size,
        "stuck": listed.is_stuck,
        "folder": f"{parent}/{listed.folder}",
    }


def _brief(listed: _HostedWorkspace, _parent: str) -> Row:
    """Return a workspace for the table."""
    until = remaining(listed.keep_until - time.time()) if listed.keep_until else ""
    return {
        "task": task_of(listed.folder),
        "state": str(listed.owner.state) if listed.owner else "removed",
        "thread": place(listed.owner.thread) if listed.owner else "",
        "kept": "stuck" if listed.is_stuck else until or ("in use" if listed.owner else ""),
        "size": "?" if listed.size is None else human(listed.size),
    }


def _is_stuck(runtime: Runtime, record: Removal) -> bool:
    """Report whether the bot has given the folder up, counting a removal whose process is dead."""
    died = record.holder != "" and is_dead(runtime.data, record.holder)
    return record.deaths + died >= MOST_DEATHS


def _sizes(runtime: Runtime, folders: Sequence[str]) -> list[int | None]:
    """Measure several at once, so that one with many files, or one that hangs, delays the others little."""
    end = time.monotonic() + _MEASURING
    with ThreadPoolExecutor(_MEASURED_AT_ONCE) as pool:
        return list(_with_progress_bar(pool.map(partial(_size, runtime, end), folders), len(folders)))


def _with_progress_bar(sizes: Iterable[int | None], total: int) -> Iterable[int | None]:
    console = Console(stderr=True)
    hidden = not console.is_terminal
    return track(sizes, "measuring", total=total, console=console, transient=True, disable=hidden)


def _size(runtime: Runtime, end: float, folder: str) -> int | None:
    """Return the bytes on the disk; None if they could not be counted before `end`, a monotonic time."""
    seconds = end - time.monotonic()
    try:
        if seconds > 0 and runtime.data.workspace(folder).is_dir():
            return runtime.workspaces().size(
                folder, name=container_names.measurement(folder), seconds=seconds
            )
    except (BotError, OSError) as error:
        say(f"the size of {folder} is not known: {error}")
    return None


def rm(settings: Settings, task_id: str, *, retry_export: bool, confirm: Confirm) -> str:
    """Remove the workspace of a task, or the folders of it that the bot could not remove; return its id.

    A stuck one is exported only if `retry_export` is set. Raises NotPossible while a run of the task is
    queued or running, and if there is nothing to remove.
    """
    # SIGTERM ends this command in good order, so that it does not count as a death of the bot.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    with _runtime(settings) as runtime:
        with suppress(NotPossible), runtime.ledger.read() as tx:  # folders may outlive the task's row
            task_id = tasks.named(tx, task_id).id
        workspace = _workspace_here(runtime, task_id)
        leftovers = _leftovers(runtime, task_id, workspace)
        if workspace is None and not leftovers:
            with runtime.ledger.read() as tx:
                task_id = tasks.named(tx, task_id).id
            raise NotPossible(f"Task `{task_id}` has no workspace on this host.")
        export = retry_export or not _any_stuck(runtime, [task_id, *leftovers])
        if not export:
            say(_STUCK.format(task=task_id))
        confirm(f"Remove the workspace of {task_id}, with files that were never committed?")
        terms = Terms(check=uninterrupted, by_hand=True, export=export, patience=_PATIENCE)
        if workspace is not None and not _remove_despite_loss(export_and_remove, runtime, task_id, terms):
            _must_be_gone(runtime, task_id)
        for folder in leftovers:
            _remove_leftover(runtime, task_id, folder, terms)
    return task_id


def _remove_leftover(runtime: Runtime, task_id: str, folder: str, terms: Terms) -> None:
    if folder == task_id:
        gone = _remove_despite_loss(remove_leftover, runtime, folder, terms)
    else:
        gone = remove_set_aside(runtime, folder, terms)
    if not gone:
        raise NotPossible(_BUSY.format(task=task_id))


def _workspace_here(runtime: Runtime, task_id: str) -> WorkspaceRow | None:
    """Return the workspace of the task if it is on this host and has not been removed."""
    with runtime.ledger.read() as tx:
        row = workspaces.get(tx, task_id)
    return row if row and row.removed_at is None and row.host == runtime.worker.host else None


def _leftovers(runtime: Runtime, task_id: str, workspace: WorkspaceRow | None) -> list[str]:
    """Return the folders of the task on this host, without its present workspace."""
    places = runtime.workspaces()
    leftovers = sorted(name for name in places.folders_set_aside() if task_of(name) == task_id)
    with suppress(FileNotFoundError):  # no workspace was ever made
        if workspace is None and task_id in places.folders():
            leftovers.append(task_id)
    return leftovers


def _any_stuck(runtime: Runtime, folders: Sequence[str]) -> bool:
    by_folder = records(runtime)
    return any(by_folder[folder].is_stuck for folder in folders if folder in by_folder)


def _remove_despite_loss(
    remove: Callable[..., str | None], runtime: Runtime, task_id: str, terms: Terms
) -> bool:
    """Remove the workspace, also if its export fails. Return False if it stays for another reason."""
    return remove(runtime, task_id, terms, lambda _: True, _say_loss) is not None


def _say_loss(error: Exception) -> None:
    say(f"the export failed ({error}), so work that was not exported before is lost")


def _must_be_gone(runtime: Runtime, task_id: str) -> None:
    """Raise NotPossible unless another process removed it while we waited."""
    if (workspace := _workspace_here(runtime, task_id)) is None:
        return
    if workspace.keep_until is None:
        stop = shell_command("/cancel", task_id)
        raise NotPossible(f"Task `{task_id}` is queued or running. `{stop}` stops it.")
    raise NotPossible(_BUSY.format(task=task_id))


@contextmanager
def _runtime(settings: Settings) -> Iterator[Runtime]:
    """Build the runtime for the block, with nudges that do nothing. Raises NoLedger if there is no data."""
    with existing_ledger(settings.ledger_place):
        pass
    log.set_up(json=False, secrets=settings.secrets)
    nobody = Nudges(answer=lambda _forge, _id: None, work=lambda: None, report=lambda _key: None)
    with build_runtime(settings, public_url="", nudges=nobody) as runtime:
        yield runtime
