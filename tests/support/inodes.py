"""A separate file system with a limited number of inodes or bytes. Only root can mount it."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a file system")


@contextmanager
def with_inodes(folder: Path, count: int) -> Iterator[Path]:
    """Mount a tmpfs with this many inodes at this folder until the block ends."""
    with _mounted(folder, f"size=2g,nr_inodes={count}"):
        yield folder


@contextmanager
def with_bytes(folder: Path, count: int) -> Iterator[Path]:
    """Mount a tmpfs of this size at this folder until the block ends."""
    with _mounted(folder, f"size={count}"):
        yield folder


def leave_free(folder: Path, count: int) -> Path:
    """Fill the file system of the folder until this many bytes are free; return the file that does it."""
    space = os.statvfs(folder)
    filler = folder / "filler"
    with filler.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, space.f_bavail * space.f_frsize - count)
    return filler


@contextmanager
def with_options(folder: Path, options: str) -> Iterator[Path]:
    """Mount a tmpfs with these options at this folder until the block ends."""
    with _mounted(folder, options):
        yield folder


@contextmanager
def _mounted(folder: Path, options: str) -> Iterator[None]:
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "forgehand-test", str(folder)], check=True)
    try:
        yield
    finally:
        # Lazily, because the engine may still read the folder of a container that was just removed.
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
