"""Room on the disk before a run begins: under the floor, the most expendable workspaces go before their time.

Those that ended well first, then the others, each kind oldest first; none that a
run waits for, and none whose work is nowhere else.
"""

import shutil
import time

import structlog

from bot.domain.errors import BotError, LeaseLost, LedgerUnavailable, SandboxFailed
from bot.reports.incidents import incident
from bot.runs.leased_run import Attempt, Cancelled, Stopped
from bot.runs.removal_records import Terms
from bot.runs.workspace_removal import export_and_remove
from bot.store import removals, workspaces

log = structlog.get_logger()

_EACH = 60.0  # seconds
_PATIENCE = 30.0  # seconds to wait for removals by others, when nothing more is to be removed here
_PAUSE = 0.5  # seconds between two looks at that


def make_room(attempt: Attempt, *, seconds: float = _EACH) -> None:
    """Remove workspaces until enough is free; each export and each removal may take so many seconds.

    Raises SandboxFailed where too little is free and nothing more may go.
    """
    house = attempt.house
    if _free(attempt) >= house.free_space:
        return
    _remove_the_expendable(attempt, seconds)
    free = _free(attempt)
    if free < house.free_space:
        raise SandboxFailed(
            f"Only {free >> 20} MiB are free for workspaces, less than the {house.free_space >> 20} MiB "
            "that must be. Somebody with access to the machine can make room "
            "(`forgehand workspaces ls`, `forgehand workspaces rm`)."
        )


def _free(attempt: Attempt) -> int:
    return shutil.disk_usage(attempt.house.data).free


def _remove_the_expendable(attempt: Attempt, seconds: float) -> None:
    house = attempt.house
    with house.ledger.read() as tx:
        expendable = workspaces.expendable(tx, house.worker.host)
    for task_id in expendable:
        attempt.check()
        if _free(attempt) >= house.free_space:
            return
        _remove(attempt, task_id, seconds)
    end = time.monotonic() + _PATIENCE
    while _free(attempt) < house.free_space and _others_remove(attempt) and time.monotonic() < end:
        attempt.check()
        attempt.stopping.wait(_PAUSE)


def _remove(attempt: Attempt, task_id: str, seconds: float) -> None:
    """Try to. One that fails, or takes too long, does not end the run that needs the room."""
    terms = Terms(check=attempt.check, seconds=seconds)
    try:
        rescued = export_and_remove(attempt.house, task_id, terms, lambda _: False)
    except (LeaseLost, Stopped, Cancelled, LedgerUnavailable):
        raise
    except (BotError, OSError) as error:
        log.warning("workspace stays", workspace=task_id, reason=str(error)[:200])
    except Exception as error:  # noqa: BLE001 - a bug that one workspace brings out is not this run's
        incident("workspace stays", error, workspace=task_id)
    else:
        if rescued is not None:
            log.info("workspace removed to make room", workspace=task_id, exported=rescued)


def _others_remove(attempt: Attempt) -> bool:
    """Is the janitor, or another run, making room just now?"""
    house = attempt.house
    with house.ledger.read() as tx:
        return any(each.holder for each in removals.of_host(tx, house.worker.host).values())
