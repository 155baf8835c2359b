"""The files of a bare repository: created without git, and cleaned after a git process was killed.

A process may die at any instant here; calling the same function again completes the work.
"""

import os
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


def clear_leftovers(path: Path) -> None:
    """Remove stale locks and partial packs that a killed git process left in a bare repository.

    Call it only if no git process works in the repository, or if that process may fail.
    """
    for pattern in ("*.lock", "refs/**/*.lock", "objects/pack/tmp_*"):
        for leftover in path.glob(pattern):
            leftover.unlink(missing_ok=True)
