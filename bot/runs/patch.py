"""The patch of a run, stored in the ledger for `/diff` and the task's page.

It is made after all other work of the run and before the report. Nothing depends on
it, and a worker that takes the run over makes it again.
"""

from collections.abc import Sequence

import structlog

from bot.domain.errors import DiskFull, GitFailed, ProcessKilled
from bot.git.diff import count_commits, patch
from bot.runs.leased_run import Cancelled, LeasedRun
from bot.store import leases, patches
from bot.text.redaction import redact

log = structlog.get_logger()

_MOST = 512 * 1024  # bytes of a stored patch, at most
_CANCEL_WAITS = 3.0  # seconds that a cancel waits for a patch, at most


def save_patch(leased: LeasedRun) -> None:
    """Save the run's diff for `/diff` and the page, if its work was exported. Raises LeaseLost and Stopped.

    Other errors are logged only: the run ends in the same way without a patch.
    """
    runtime, run, task = leased.runtime, leased.run, leased.task
    quarantine, mirror = runtime.quarantine(task.id), runtime.mirror(task).path
    try:
        with leased.delaying_cancel(_CANCEL_WAITS):
            # Commits that are not on the new base yet would look as if they reverted it.
            base = task.left_head or task.base_head
            made = patch(quarantine, mirror, run_id=run.id, base=base, check=leased.check)
            commits = count_commits(quarantine, mirror, base, leased.task.checked_head, check=leased.check)
    except (GitFailed, ProcessKilled, DiskFull, OSError, Cancelled) as error:
        log.warning("patch not saved", reason=str(error)[:200] or type(error).__name__)
        return
    if made is None:
        return
    text, size = _bounded(made, runtime.secrets)
    with runtime.ledger.write() as tx:
        leases.write(tx, leased.lease)
        patches.add(tx, run.id, text, size, commits=commits)


def _bounded(made: bytes, secrets: Sequence[str]) -> tuple[bytes, int]:
    """Return the first whole lines of a patch without secrets, and the size in bytes of the whole patch."""
    # Whole lines, because half a secret would not be recognised.
    lines = made if len(made) <= _MOST else made[: made.rfind(b"\n", 0, _MOST) + 1]
    text = redact(lines.decode(errors="surrogateescape"), secrets).encode(errors="surrogateescape")
    return text, len(text) + len(made) - len(lines)
