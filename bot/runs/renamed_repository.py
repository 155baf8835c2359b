"""A repository that has another address now. Its number is the same, so the forge can be asked by that.

Each command asks for it too, but a run may be between two of them.
"""

import structlog

from bot.domain.errors import ForgeError
from bot.runs.leased_run import LeasedRun
from bot.store import leases, threads
from bot.store import tasks as task_rows

log = structlog.get_logger()


def has_moved(leased: LeasedRun) -> bool:
    """Ask where the task's repository is; True where that is news, which is recorded. Raises LeaseLost."""
    forge, thread = leased.runtime.forge_of(leased.task), leased.task.thread
    if forge is None or not thread.repository_id:
        return False
    try:
        found = leased.retry_or_abandon(lambda: forge.repository(thread.repository_id))
    except ForgeError as error:
        log.info("repository could not be asked after", reason=str(error))
        return False
    if found.url == thread.repository_url:
        return False
    with leased.runtime.ledger.write() as tx:
        leases.write(tx, leased.lease)
        threads.move(tx, thread.forge, thread.repository_id, path=found.path, url=found.url)
        leased.task = task_rows.get(tx, leased.task.id)
    log.info("repository has moved", repository=found.url)
    return True
