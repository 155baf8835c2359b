"""The files of a bare repository: created without git, and cleaned after a git process was killed.

A process may die at any instant here; calling the same function again completes the work.
"""

import os
from contextlib import suppress
from pathlib import Path


def make_bare(path: Path) -> None:
    """Create an empty bare repository, or leave an existing one as it is."""
    (path / "objects" / "pack").mkdir(parents=True, exist_ok=True)
    (path / "refs").mkdir(exist_ok=True)
    for name, content in (
        ("config", "[core]\n\trepositoryformatversion = 0\n\tbare = true\n"),
        ("HEAD", "ref: refs/heads/none\n"),
    ):
        if not (path / name).exists():
            part = path / f"{name}.{os.getpid()}"
            part.write_text(content)
            part.replace(path / name)


# Locks, parts of files of `make_bare`, partial objects and packs.
_LEFTOVERS = (
    "*.lock",
    "config.[0-9]*",
    "HEAD.[0-9]*",
    "refs/**/*.lock",
    "objects/??/tmp_obj_*",
    "objects/pack/tmp_*",
)


def clear_leftovers(path: Path) -> None:
    """Remove stale locks, objects and packs that a killed process left in a bare repository.

    Call it only if no git process works in the repository, or if that process may fail.
    """
    for pattern in _LEFTOVERS:
        for leftover in path.glob(pattern):
            leftover.unlink(missing_ok=True)


def clear_old_leftovers(path: Path, before: float) -> None:
    """Remove such leftovers that have not changed since `before`, in seconds since the epoch."""
    for pattern in _LEFTOVERS:
        for leftover in path.glob(pattern):
            with suppress(FileNotFoundError):  # its git process has just completed or removed it
                if leftover.stat().st_mtime < before:
                    leftover.unlink()
