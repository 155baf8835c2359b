"""The temporary repository of an export, which is locked for as long as its process lives."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bot.git.bare_repository import make_bare

_SUFFIX = ".incoming"


@contextmanager
def incoming(folder: Path, run: str, name: str) -> Iterator[Path]:
    """Create a bare repository for an export of this run in `folder`, and remove it after the block.

    Those of earlier exports of the run are removed first.
    """
    for stale in folder.glob(f"*-{run}-*{_SUFFIX}"):
        shutil.rmtree(stale, ignore_errors=True)
    path = folder / f"{name}{_SUFFIX}"
    shutil.rmtree(path, ignore_errors=True)
    make_bare(path)
    try:
        with _locked(path):
            yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def remove_interrupted(folder: Path, before: float) -> None:
    """Remove the temporary repositories of exports whose process was killed.

    One that changed after `before`, in seconds since the epoch, may not be locked yet.
    """
    for path in folder.glob(f"*{_SUFFIX}"):
        with suppress(FileNotFoundError, BlockingIOError):
            if path.stat().st_mtime < before:
                with _locked(path):
                    shutil.rmtree(path, ignore_errors=True)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Lock the folder for the block. Raises BlockingIOError if another process has locked it."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)
