"""Free space before a run: if the disk has too little, the most expendable workspaces are removed early.

Workspaces of successful tasks go first, then the others, the oldest of each kind
first. Unexported work is exported first. A workspace stays if a run waits for it, or if
its work cannot be exported.
"""

import time

import structlog

from bot.domain.errors import BotError, DiskFull, LeaseLost, LedgerUnavailable
from bot.reports.incidents import incident
from bot.runs.leased_run import Cancelled, LeasedRun, Stopped
from bot.runs.removal_attempt import Terms
from bot.runs.workspace_removal import export_and_remove
from bot.store import removals, workspaces
from bot.text.units import human

log = structlog.get_logger()

_EACH = 60.0  # seconds for each export and each removal
_PATIENCE = 30.0  # seconds to wait for removals by others, when this run has nothing more to remove
_PAUSE = 0.5  # seconds between two checks of those removals


def free_disk_space(leased: LeasedRun, *, seconds: float = _EACH) -> None:
    """Remove workspaces until enough is free; each export and each removal may take so many seconds.

    Raises DiskFull if too little is free and no more workspaces may be removed.
    """
    runtime = leased.runtime
    if runtime.data.free_bytes() >= runtime.free_space:
        return
    _remove_the_expendable(leased, seconds)
    free = runtime.data.free_bytes()
    if free < runtime.free_space:
        raise DiskFull(_shortage(free, runtime.free_space))


def _shortage(free: int, floor: int) -> str:
    if not free:
        return "The disk of the workspaces can take no more files."
    return f"Only {human(free)} are free for workspaces, less than the {human(floor)} that a run needs."


def _remove_the_expendable(leased: LeasedRun, seconds: float) -> None:
    runtime = leased.runtime
    with runtime.ledger.read() as tx:
        expendable = workspaces.expendable(tx, runtime.worker.host)
    for task_id in expendable:
        leased.check()
        if runtime.data.free_bytes() >= runtime.free_space:
            return
        _remove(leased, task_id, seconds)
    end = time.monotonic() + _PATIENCE
    while (
        runtime.data.free_bytes() < runtime.free_space and _others_remove(leased) and time.monotonic() < end
    ):
        leased.check()
        leased.stopping.wait(_PAUSE)


def _remove(leased: LeasedRun, task_id: str, seconds: float) -> None:
    """Try to remove a workspace. A failure or a timeout does not end the run that needs the space."""
    terms = Terms(check=leased.check, seconds=seconds)
    try:
        exported = export_and_remove(leased.runtime, task_id, terms, lambda _: False)
    except (LeaseLost, Stopped, Cancelled, LedgerUnavailable):
        raise
    except (BotError, OSError) as error:
        log.warning("workspace not removed", workspace=task_id, reason=str(error)[:200])
    except Exception as error:  # noqa: BLE001 - a bug in one removal must not end this run
        incident("workspace not removed", error, workspace=task_id)
    else:
        if exported is not None:
            log.info("workspace removed to free space", workspace=task_id, exported=exported)


def _others_remove(leased: LeasedRun) -> bool:
    """Report whether the janitor or another run is removing a workspace now."""
    runtime = leased.runtime
    with runtime.ledger.read() as tx:
        return any(each.holder for each in removals.of_host(tx, runtime.worker.host).values())
