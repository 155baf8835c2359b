"""What a run left against the commit its task began at, as one patch.

Made by the host in the quarantine, from what an export has checked; the workspace
is not looked at. For people to read: binary files are named and not shown.
"""

import resource
from collections.abc import Mapping
from pathlib import Path

from bot.domain.errors import GitFailed
from bot.domain.interrupt import Check, uninterrupted
from bot.git.large_files import streaming
from bot.git.run import LIMITS, Objects, failure, run

_READ = 16 << 20  # bytes git may print: nobody reads that far, and we hold it in memory
_SECONDS = 30
# Bytes of its own that git may use: to compare two files of short lines takes sixty times their size.
_MEMORY = 512 << 20
_NAMED_ONLY = "1m"  # of a file that large, in the second try
_DIFF = (
    "diff-tree",
    "-r",
    "--shortstat",
    "--patch",
    "--full-index",
    "--find-renames",
    "-l400",  # files on either side, each of which is compared with each
    "--no-ext-diff",
    "--no-textconv",
    "--no-color",
)


def patch(
    quarantine: Path, mirror: Path, *, run_id: str, base: str, check: Check = uninterrupted
) -> bytes | None:
    """git's count of files and lines, then the patch: at most 16 MiB of it. Raises GitFailed.

    b"" where nothing differs, None where nothing was exported. Large files are only named where to show
    them would take too much memory or time. `check` is called while git works.
    """
    # What lay uncommitted after a run that did not succeed was exported on top of its commits.
    refs = [f"refs/{kind}/{run_id}" for kind in ("wip", "checked")]
    tip = next((ref for ref in refs if (quarantine / ref).exists()), "")
    if not tip:
        return None
    env = Objects(quarantine, (mirror,)).borrowing()
    try:
        return _diff(quarantine, base, tip, env, check)
    except GitFailed:
        return _diff(quarantine, base, tip, {**env, **streaming(_NAMED_ONLY)}, check)


def _diff(quarantine: Path, base: str, tip: str, env: Mapping[str, str], check: Check) -> bytes:
    # The second is of its stdout, which is a file.
    limits = {**LIMITS, resource.RLIMIT_DATA: _MEMORY, resource.RLIMIT_FSIZE: _READ}
    done = run(*_DIFF, base, tip, at=quarantine, env=env, seconds=_SECONDS, limits=limits, check=check)
    if done.status and len(done.stdout) < _READ:
        raise GitFailed(failure("diff-tree", done.status, done.said))
    return done.stdout
