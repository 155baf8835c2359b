"""What a run left against the commit its task began at, as one patch.

Made by the host in the quarantine, from what an export has checked; the workspace
is not looked at. For people to read: binary files are named and not shown.
"""

import resource
from pathlib import Path

from bot.errors import GitFailed
from bot.interrupt import Check, uninterrupted
from bot.sandbox.git import LIMITS, Objects, first_lines, run

_READ = 16 << 20  # bytes git may print: nobody reads that far, and we hold it in memory
_SECONDS = 30
_DIFF = (
    "diff-tree",
    "-r",
    "--shortstat",
    "--patch",
    "--full-index",
    "--find-renames",
    "--no-ext-diff",
    "--no-textconv",
    "--no-color",
)


def patch(
    quarantine: Path, mirror: Path, *, run_id: str, base: str, check: Check = uninterrupted
) -> bytes | None:
    """git's count of files and lines, then the patch: at most 16 MiB of it. Raises GitFailed.

    b"" where nothing differs, None where nothing was exported. `check` is called while git works.
    """
    # What lay uncommitted after a run that did not succeed was exported on top of its commits.
    refs = [f"refs/{kind}/{run_id}" for kind in ("wip", "checked")]
    tip = next((ref for ref in refs if (quarantine / ref).exists()), "")
    if not tip:
        return None
    env = Objects(quarantine, (mirror,)).borrowing()
    limits = {**LIMITS, resource.RLIMIT_FSIZE: _READ}  # of its stdout, which is a file
    done = run(*_DIFF, base, tip, at=quarantine, env=env, seconds=_SECONDS, limits=limits, check=check)
    if done.status and len(done.stdout) < _READ:
        raise GitFailed(f"git diff-tree failed: {first_lines(done.said) or f'status {done.status}'}")
    return done.stdout
