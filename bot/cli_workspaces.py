"""`forgehand workspaces`: the folders of tasks on this host, which are looked at and removed here."""

import secrets
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import track

from bot.cli_print import Row, say, show
from bot.errors import BotError, NotPossible
from bot.house import House
from bot.opening import open_house
from bot.presence import alone
from bot.queue import Nudges
from bot.removal import janitors_lock, remove, rescue
from bot.settings import Settings
from bot.sizes import human
from bot.store import tasks, workspaces
from bot.store.workspaces import Kept
from bot.times import iso

_PATIENCE = 60.0  # seconds


def ls(settings: Settings, *, as_json: bool) -> None:
    """Print them, oldest first, each with its size."""
    with _house(settings) as house:
        with house.ledger.read() as tx:
            kept = workspaces.present(tx, house.worker.host)
            owners = [tasks.get(tx, each.task) for each in kept]
        sizes = [_size(house, each.task) for each in _shown_progress(kept)]
    rows: list[Row] = [
        {
            "task": task.id,
            "repository": task.thread.repository_url,
            "state": task.state,
            "kept_until": iso(each.keep_until) if each.keep_until else "in use",
            **({"bytes": size} if as_json else {"size": _in_words(size)}),
            "folder": str(house.data / "workspaces" / task.id),
        }
        for each, task, size in zip(kept, owners, sizes, strict=True)
    ]
    show(rows, as_json=as_json)


def _shown_progress(kept: Sequence[Kept]) -> Iterable[Kept]:
    """Each is a look at many files."""
    console = Console(stderr=True)
    return track(kept, "measuring", console=console, transient=True, disable=not console.is_terminal)


def _size(house: House, task_id: str) -> int | None:
    """Bytes on the disk; None where they could not be counted."""
    places = house.workspaces()
    if not places.has(task_id):
        return None
    try:
        return places.size(task_id, name=f"forgehand-{task_id}.size-{secrets.token_hex(4)}")
    except BotError as error:
        say(f"the size of {task_id} is not known: {error}")
        return None


def _in_words(size: int | None) -> str:
    return "?" if size is None else human(size)


def rm(settings: Settings, task_id: str) -> None:
    """Raises NotPossible while a run of the task waits or works, and where there is no workspace."""
    with _house(settings) as house:
        with house.ledger.read() as tx:
            kept = workspaces.get(tx, tasks.get(tx, task_id).id)
        if kept is None or kept.removed_at or kept.host != house.worker.host:
            raise NotPossible(f"Task `{task_id}` has no workspace on this host.")
        with alone(janitors_lock(house), patience=_PATIENCE) as mine:
            if not mine:
                raise NotPossible("The janitor of this host is at work. Try again in a minute.")
            if not remove(house, task_id, _rescued(house, task_id)):
                raise NotPossible(f"Task `{task_id}` is at work. `forgehand cancel {task_id}` stops it.")


def _rescued(house: House, task_id: str) -> str:
    """Who asks for a removal is told what is lost by it, and gets it."""
    try:
        return rescue(house, task_id)
    except (BotError, OSError) as error:
        say(f"what was not exported is lost: {error}")
        return ""


@contextmanager
def _house(settings: Settings) -> Iterator[House]:
    """One that wakes nobody."""
    nobody = Nudges(answer=lambda _forge, _id: None, work=lambda: None, report=lambda _key: None)
    with open_house(settings, public_url="", nudges=nobody) as house:
        yield house
