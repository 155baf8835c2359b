"""Commands that look at the ledger, or change a row of it: they work beside a running bot, or without one.

What needs more than the ledger is imported where it is needed: most of what these
commands take is the start of the program.
"""

import json
import secrets
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy import Connection

from bot import clean
from bot.errors import BotError, NotPossible
from bot.model import ENDED, Run, State, Task
from bot.presence import alone
from bot.settings import Settings
from bot.store import log as store_log
from bot.store import runs
from bot.store import tasks as store
from bot.store import workspaces as store_workspaces
from bot.store.ledger import Ledger, open_ledger
from bot.store.workspaces import Kept

if TYPE_CHECKING:
    from bot.agents.agent import Listener
    from bot.house import House

_POLL = 0.3  # seconds
_PATIENCE = 60.0  # seconds
_AT_ONCE = 1 << 20  # bytes of a log
Row = dict[str, Any]


def tasks(settings: Settings, limit: int, *, as_json: bool) -> None:
    with ledger_of(settings) as ledger, ledger.read() as tx:
        rows = [row_of(tx, task, runs.newest(tx, task.id)) for task in store.newest(tx, limit)]
    if not as_json:
        rows = [_brief(row) for row in rows]
    show(rows, as_json=as_json)


def row_of(tx: Connection, task: Task, run: Run) -> Row:
    """A task and its newest run, as scripts see them. Times are ISO 8601 in UTC; "" and null: not (yet)."""
    return {
        "task": task.id,
        "state": task.state,
        "repository": task.thread.repository_url,
        "thread": f"{task.thread.path}{task.thread.reference}" if task.thread.forge else "",
        "title": task.thread.title,
        "branch": task.branch,
        "pushed": task.pushed_head,
        "change": task.change_url,
        "agent": task.agent,
        "asked_by": run.asked_by.login,
        "run": run.number,
        "phase": run.phase,
        "outcome": run.outcome or "",
        "reason": run.reason,
        "summary": run.summary,
        "exit_status": run.exit_status,
        "position": runs.position(tx, run),
        "created": _iso(task.created_at),
        "started": _iso(run.started_at),
        "ended": _iso(run.ended_at),
    }


def cancel(settings: Settings, task_id: str) -> str:
    """Ask a task to stop; the words say what follows. Raises NotPossible."""
    from bot import operator_verbs as verbs

    with ledger_of(settings) as ledger, ledger.write() as tx:
        task = verbs.cancel_from_cli(tx, task_id)
    if task.state is State.CANCELLED:
        return f"Task {task.id} is cancelled; it never started."
    return f"Task {task.id} is told to stop. Its workspace is kept for `forgehand resume {task.id}`."


def logs(settings: Settings, task_id: str, *, follow: bool) -> None:
    """Print the log of the newest run, cleaned; with `follow` until the run ends."""
    with ledger_of(settings) as ledger:
        with ledger.read() as tx:
            run_id = runs.newest(tx, store.get(tx, task_id).id).id
        tail = Tail(ledger, run_id, settings.secrets)
        pause = threading.Event()
        while True:
            with ledger.read() as tx:
                ended = runs.get(tx, run_id).state in ENDED
            for line in tail.lines(last=ended or not follow):
                typer.echo(line)
            sys.stdout.flush()
            if ended or not follow:
                return
            pause.wait(_POLL)


class Tail:
    """A run's log, line by line, as it grows."""

    def __init__(
        self, ledger: Ledger, run_id: str, secrets: Sequence[str], listener: "Listener | None" = None
    ) -> None:
        """With a `listener` what is for people in it, else every line as it is."""
        self._listener = listener
        self._ledger, self._run_id, self._secrets = ledger, run_id, secrets
        self._offset = 0
        self._rest = b""

    def lines(self, *, last: bool) -> Iterator[str]:
        """What was added since; with `last` also the line that has no end yet."""
        while True:
            with self._ledger.read() as tx:
                chunks = store_log.read(tx, self._run_id, self._offset, _AT_ONCE)
            if not chunks:
                break
            for offset, data in chunks:
                if offset > self._offset:
                    yield f"... {offset - self._offset:,} bytes left out ..."
                self._offset = offset + len(data)
                *whole, self._rest = (self._rest + data).split(b"\n")
                for line in whole:
                    yield from self._shown(line)
        if last and self._rest:
            yield from self._shown(self._rest)
            self._rest = b""

    def _shown(self, line: bytes) -> Iterator[str]:
        text = self._listener.hear(line).text if self._listener else line.decode(errors="replace")
        if text is not None:
            yield from clean.shown(text.rstrip("\r"), self._secrets).split("\n")


def workspaces(settings: Settings, *, as_json: bool) -> None:
    with _house(settings) as house:
        with house.ledger.read() as tx:
            kept = store_workspaces.present(tx, house.worker.host)
            tasks = [store.get(tx, each.task) for each in kept]
        sizes = [_size(house, each.task) for each in _shown_progress(kept)]
    rows: list[Row] = [
        {
            "task": task.id,
            "repository": task.thread.repository_url,
            "state": task.state,
            "kept_until": _iso(each.keep_until) if each.keep_until else "in use",
            **({"bytes": size} if as_json else {"size": _in_words(size)}),
            "folder": str(house.data / "workspaces" / task.id),
        }
        for each, task, size in zip(kept, tasks, sizes, strict=True)
    ]
    show(rows, as_json=as_json)


def _shown_progress(kept: Sequence[Kept]) -> Iterable[Kept]:
    """Each is a look at many files."""
    from rich.progress import track

    console = Console(stderr=True)
    return track(kept, "measuring", console=console, transient=True, disable=not console.is_terminal)


def _size(house: "House", task_id: str) -> int | None:
    """Bytes on the disk; None where they could not be counted."""
    from bot.removal import places_of

    places = places_of(house)
    if not places.has(task_id):
        return None
    try:
        return places.size(task_id, name=f"forgehand-{task_id}.size-{secrets.token_hex(4)}")
    except BotError as error:
        typer.echo(f"forgehand: the size of {task_id} is not known: {error}", err=True)
        return None


def _in_words(size: int | None) -> str:
    return "?" if size is None else f"{size / (1 << 20):,.1f} MiB"


def remove_workspace(settings: Settings, task_id: str) -> None:
    """Raises NotPossible while a run of the task waits or works, and where there is no workspace."""
    from bot.removal import janitors_lock, remove

    with _house(settings) as house:
        with house.ledger.read() as tx:
            kept = store_workspaces.get(tx, store.get(tx, task_id).id)
        if kept is None or kept.removed_at or kept.host != house.worker.host:
            raise NotPossible(f"Task `{task_id}` has no workspace on this host.")
        with alone(janitors_lock(house), patience=_PATIENCE) as mine:
            if not mine:
                raise NotPossible("The janitor of this host is at work. Try again in a minute.")
            if not remove(house, task_id, _rescued(house, task_id)):
                raise NotPossible(f"Task `{task_id}` is at work. `forgehand cancel {task_id}` stops it.")


def _rescued(house: "House", task_id: str) -> str:
    """Who asks for a removal is told what is lost by it, and gets it."""
    from bot.removal import rescue

    try:
        return rescue(house, task_id)
    except (BotError, OSError) as error:
        typer.echo(f"forgehand: what was not exported is lost: {error}", err=True)
        return ""


def show(rows: Sequence[Row], *, as_json: bool) -> None:
    """Print a table, or JSON: a list of objects."""
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    if not rows:
        typer.echo("None.", err=True)
        return
    table = Table(box=None, pad_edge=False)
    for name in rows[0]:
        table.add_column(name.replace("_", " ").upper(), overflow="fold")
    for row in rows:
        table.add_row(*(str(value) for value in row.values()))
    width = None if sys.stdout.isatty() else 1000  # a pipe has no edge
    Console(width=width, highlight=False, markup=False).print(table)


def _brief(row: Row) -> Row:
    return {name: row[name] for name in ("task", "state", "run", "outcome", "repository", "title", "created")}


def _iso(at: float | None) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at)) if at else ""


@contextmanager
def ledger_of(settings: Settings) -> Iterator[Ledger]:
    """The bot's own, open for the block; made where there is none yet."""
    settings.data.path.mkdir(mode=0o700, parents=True, exist_ok=True)
    ledger = open_ledger(settings.store_url)
    try:
        yield ledger
    finally:
        ledger.close()


@contextmanager
def _house(settings: Settings) -> Iterator["House"]:
    """One that wakes nobody."""
    from bot.queue import Nudges
    from bot.worker import open_house

    nobody = Nudges(answer=lambda _forge, _id: None, work=lambda: None, report=lambda _key: None)
    with open_house(settings, public_url="", nudges=nobody) as house:
        yield house
