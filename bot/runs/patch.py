"""What a run left is kept in the ledger as a patch, for `/diff` and the task's page to show.

Made when all else is done but the telling: nothing waits for it, and a worker that
takes the run over makes it again.
"""

from collections.abc import Sequence

import structlog

from bot.domain.errors import DiskFull, GitFailed
from bot.git.diff import patch
from bot.runs.leased_run import Cancelled, LeasedRun
from bot.store import leases, patches
from bot.text.redaction import redact

log = structlog.get_logger()

_MOST = 512 * 1024  # bytes of a patch that are kept
_CANCEL_WAITS = 3.0  # seconds a cancel waits for a patch, at most


def keep_patch(leased: LeasedRun) -> None:
    """Keep what this run left, if it was exported. Raises LeaseLost and Stopped.

    A patch that cannot be made is done without: the run ends as it would.
    """
    runtime, run, task = leased.runtime, leased.run, leased.task
    quarantine, mirror = runtime.quarantine(task.id), runtime.mirror(task).path
    try:
        with leased.delaying_cancel(_CANCEL_WAITS):
            made = patch(quarantine, mirror, run_id=run.id, base=task.base_head, check=leased.check)
    except (GitFailed, DiskFull, OSError, Cancelled) as error:
        log.warning("no patch", reason=str(error)[:200] or type(error).__name__)
        return
    if made is None:
        return
    text, size = _bounded(made, runtime.secrets)
    with runtime.ledger.write() as tx:
        leases.write(tx, leased.lease)
        patches.add(tx, run.id, text, size)


def _bounded(made: bytes, secrets: Sequence[str]) -> tuple[bytes, int]:
    """As many whole lines as are kept, without secrets, and the size of the whole."""
    # Whole lines: half a secret would not be recognised.
    lines = made if len(made) <= _MOST else made[: made.rfind(b"\n", 0, _MOST) + 1]
    text = redact(lines.decode(errors="surrogateescape"), secrets).encode(errors="surrogateescape")
    return text, len(text) + len(made) - len(lines)
