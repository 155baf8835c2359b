"""A bare repository of ours as files: made without git, and set right where a git in it was killed.

Whoever makes or mends one may die at any instant, and another does it again.
"""

import os
from pathlib import Path


def make_bare(path: Path) -> None:
    """Make an empty bare repository, or leave the one that is there. Dies anywhere, works again."""
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


def free(path: Path) -> None:
    """Take away what a git that was killed left in a bare repository: locks nobody holds, and half packs.

    For who knows that no git is at work there, or that it does not matter if that one fails.
    """
    for pattern in ("*.lock", "refs/**/*.lock", "objects/pack/tmp_*"):
        for left in path.glob(pattern):
            left.unlink(missing_ok=True)
