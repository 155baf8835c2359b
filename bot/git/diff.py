"""The patch of a run: all its changes since the commit at which its task began.

The host makes it in the quarantine, from the checked export; it does not read the
workspace. The patch is for people to read: binary files are named and not shown.
"""

import resource
from collections.abc import Mapping
from pathlib import Path

from bot.domain.errors import GitFailed
from bot.domain.interrupt import Check, uninterrupted
from bot.git.large_files import streaming
from bot.git.run import LIMITS, Objects, run
from bot.git.stderr import failure

_READ = 16 << 20  # bytes git may print: nobody reads that far, and the output is held in memory
_SECONDS = 30
# Bytes of memory git may use: comparing two files of short lines takes sixty times their size.
_MEMORY = 512 << 20
_NAMED_ONLY = "1m"  # files of this size or more are only named in the second attempt
_DIFF = (
    "diff-tree",
    "-r",
    "--shortstat",
    "--patch",
    "--full-index",
    "--find-renames",
    "-l400",  # find renames among up to 400 files: each removed one is compared with each new one
    "--no-ext-diff",
    "--no-textconv",
    "--no-color",
)


def patch(
    quarantine: Path, mirror: Path, *, run_id: str, base: str, check: Check = uninterrupted
) -> bytes | None:
    """Return git's count of files and lines followed by the patch, at most 16 MiB. Raises GitFailed.

    Returns b"" if nothing differs and None if nothing was exported. Large files are only named if showing
    them would take too much memory or time. `check` is called while git works.
    """
    # If a run does not succeed, its uncommitted work is exported on top of its commits, as refs/wip.
    refs = [f"refs/{kind}/{run_id}" for kind in ("wip", "checked")]
    tip = next((ref for ref in refs if (quarantine / ref).exists()), "")
    if not tip:
        return None
    env = Objects(quarantine, (mirror,)).borrowing()
    try:
        return _diff(quarantine, base, tip, env, check)
    except GitFailed:
        return _diff(quarantine, base, tip, {**env, **streaming(_NAMED_ONLY)}, check)


def count_commits(
    quarantine: Path, mirror: Path, base: str, head: str, *, check: Check = uninterrupted
) -> int:
    """Return the number of commits of `head` that `base` lacks; 0 without a head. Raises GitFailed."""
    if not head:
        return 0
    return int(Objects(quarantine, (mirror,), check).git("rev-list", "--count", head, f"^{base}"))


def _diff(quarantine: Path, base: str, tip: str, env: Mapping[str, str], check: Check) -> bytes:
    # RLIMIT_FSIZE limits stdout, which is a file.
    limits = {**LIMITS, resource.RLIMIT_DATA: _MEMORY, resource.RLIMIT_FSIZE: _READ}
    done = run(*_DIFF, base, tip, at=quarantine, env=env, seconds=_SECONDS, limits=limits, check=check)
    if done.status and len(done.stdout) < _READ:
        raise GitFailed(failure("diff-tree", done.status, done.stderr))
    return done.stdout
