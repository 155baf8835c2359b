"""Room on the disk before a run begins: under the floor, the most expendable workspaces go before their time.

Those that ended well first, then the others, each kind oldest first; none that a
run waits for, and none whose work is nowhere else.
"""

import shutil

import structlog

from bot.attempt import Attempt
from bot.errors import BotError, SandboxFailed
from bot.presence import alone
from bot.removal import janitors_lock, remove, rescue
from bot.store import workspaces

log = structlog.get_logger()

_PATIENCE = 0.5  # seconds between two looks at whether the run is still to begin


def make_room(attempt: Attempt) -> None:
    """Raises SandboxFailed where too little is free and nothing more may go."""
    house = attempt.house
    if _free(attempt) >= house.free_space:
        return
    _remove_the_expendable(attempt)
    free = _free(attempt)
    if free < house.free_space:
        raise SandboxFailed(
            f"Only {free >> 20} MiB are free for workspaces, less than the {house.free_space >> 20} MiB "
            "that must be. Somebody with access to the machine can make room "
            "(`forgehand workspaces ls`, `forgehand workspaces rm`)."
        )


def _free(attempt: Attempt) -> int:
    return shutil.disk_usage(attempt.house.data).free


def _remove_the_expendable(attempt: Attempt) -> None:
    mine = False
    while not mine:  # the janitor may be making room just now
        attempt.check()
        with alone(janitors_lock(attempt.house), patience=_PATIENCE) as mine:
            if mine:
                _one_by_one(attempt)


def _one_by_one(attempt: Attempt) -> None:
    house = attempt.house
    with house.ledger.read() as tx:
        expendable = workspaces.expendable(tx, house.worker.host)
    for task_id in expendable:
        attempt.check()
        if _free(attempt) >= house.free_space:
            return
        try:
            rescued = rescue(house, task_id)
            gone = remove(house, task_id, rescued)
        except (BotError, OSError) as error:
            log.warning("workspace stays", workspace=task_id, reason=str(error)[:200])
            continue
        if gone:
            log.info("workspace removed to make room", workspace=task_id, exported=rescued)
