"""Repositories that were renamed or moved. The number stays the same, so the forge can be asked for it.

Each command asks for the address too, but a rename may come between a command and its run.
"""

import structlog

from bot.domain.errors import ForgeError
from bot.runs.leased_run import LeasedRun
from bot.store import leases, threads
from bot.store import tasks as task_rows
from bot.store.ledger import clock

log = structlog.get_logger()


def record_rename(leased: LeasedRun) -> bool:
    """Ask for the present address of the task's repository, and record it if it is new.

    Returns True if the task has another address now. Raises LeaseLost.
    """
    forge, thread = leased.runtime.forge_of(leased.task), leased.task.thread
    if forge is None or not thread.repository_id:
        return False
    with leased.runtime.ledger.read() as tx:
        asked_at = clock(tx)
    try:
        repository = leased.retry_or_abandon(lambda: forge.repository(thread.repository_id))
    except ForgeError as error:
        log.info("repository address not found", reason=str(error))
        return False
    if repository.url == thread.repository_url:
        return False
    with leased.runtime.ledger.write() as tx:
        leases.write(tx, leased.lease)
        threads.move(
            tx, thread.forge, repository.id, path=repository.path, url=repository.url, as_of=asked_at
        )
        leased.task = task_rows.get(tx, leased.task.id)
    if leased.task.thread.repository_url == thread.repository_url:
        return False
    log.info("repository rename recorded", repository=leased.task.thread.repository_url)
    return True
