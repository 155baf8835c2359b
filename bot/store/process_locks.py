"""File locks by which the processes on one data folder know of each other.

A lock proves that a process lives: the kernel releases it in the same instant
as the process dies, whatever the cause.
"""

import fcntl
import os
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from bot.domain.errors import BadSettings
from bot.store.data_folder import DataFolder

_LOCK_PATIENCE = 2.0  # seconds: `has_worker` of another process holds the lock for an instant


@contextmanager
def process_lock(folder: DataFolder, host: str) -> Iterator[str]:
    """Hold a lock during the block; yield the name under which this process holds runs."""
    folder.workers.mkdir(parents=True, exist_ok=True)
    holder = f"{host}/{uuid.uuid4().hex}"
    path = folder.worker(holder)
    while (file := _taken(path)) is None:  # `is_dead` of another process holds the lock for an instant
        time.sleep(0.01)
    with file:
        try:
            yield holder
        finally:
            path.unlink(missing_ok=True)


def remove_files_of_dead(folder: DataFolder) -> None:
    """Remove the lock files of all processes of this host that have ended without removing them."""
    for file in folder.workers.iterdir():
        is_dead(folder, file.name)


def is_dead(folder: DataFolder, holder: str) -> bool:
    """Report whether a process of this host has ended, by the name under which it held runs.

    Removes the lock file of a dead process.
    """
    path = folder.worker(holder)
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return True
    with file:
        if not _locked(file, fcntl.LOCK_EX):
            return False
        path.unlink(missing_ok=True)
    return True


@contextmanager
def worker_lock(folder: DataFolder, *, exclusive: bool) -> Iterator[None]:
    """Show other processes on this data folder, during the block, that it has a worker.

    Raises BadSettings if there is another worker and one of the two requires an exclusive lock.
    """
    with folder.lock.open("a+") as file:
        end = time.monotonic() + _LOCK_PATIENCE
        while not _locked(file, fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH):
            if time.monotonic() > end:
                file.seek(0)
                raise BadSettings(
                    f"Another forgehand (process {file.read().strip()}) already works on {folder.root}. Stop "
                    "it, give this one another [data] path, or give all of them a [queue] url."
                )
            time.sleep(0.1)
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def has_worker(folder: DataFolder) -> bool:
    """Report whether a process claims runs on this data folder."""
    try:
        file = folder.lock.open("rb")
    except FileNotFoundError:
        return False
    with file:
        return not _locked(file, fcntl.LOCK_EX)


@contextmanager
def try_lock(lock: Path, *, patience: float) -> Iterator[bool]:
    """Try for `patience` seconds to lock this file during the block; yield whether that succeeded.

    One thread of one process can hold the lock. The file is removed afterwards; its folder has to exist.
    """
    end = time.monotonic() + patience
    while (file := _taken(lock)) is None and time.monotonic() < end:
        time.sleep(0.1)
    try:
        yield file is not None
    finally:
        if file is not None:
            lock.unlink(missing_ok=True)
            file.close()


def _taken(lock: Path) -> IO[bytes] | None:
    """Return the locked file; None if another process or thread holds the lock."""
    while True:
        file = lock.open("ab")
        if not _locked(file, fcntl.LOCK_EX):
            file.close()
            return None
        # Its last holder may have removed the file after it was opened here; locking that excludes nobody.
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file.fileno()), lock.stat()):
                return file
        file.close()


def _locked(file: IO[bytes] | IO[str], kind: int) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
