"""What processes on one data folder know of each other: file locks, and two words written once.

A lock says that a process lives, because the kernel lets go of it in the same
instant as the process dies, however it dies.
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

_LOCK_PATIENCE = 2.0  # seconds: `somebody_works` of another process holds the lock for an instant


@contextmanager
def alive(data: Path, host: str) -> Iterator[str]:
    """Hold a lock for as long as the block lasts; the name under which this process holds runs."""
    folder = data / "workers"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / uuid.uuid4().hex
    with path.open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        try:
            yield f"{host}/{path.name}"
        finally:
            path.unlink(missing_ok=True)


def is_dead(data: Path, holder: str) -> bool:
    """Has the process that held runs of this host under that name ended? What it left is removed."""
    path = data / "workers" / holder.rpartition("/")[2]
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
def at_work(data: Path, *, alone: bool) -> Iterator[None]:
    """Tell other processes on this data folder that there is a worker.

    Raises BadSettings if there is another one and one of the two has to be alone.
    """
    with (data / "lock").open("a+") as file:
        end = time.monotonic() + _LOCK_PATIENCE
        while not _locked(file, fcntl.LOCK_EX if alone else fcntl.LOCK_SH):
            if time.monotonic() > end:
                file.seek(0)
                raise BadSettings(
                    f"Another forgehand (process {file.read().strip()}) works on {data} already. Stop it, "
                    "give this one another [data] path, or give all of them a [queue] url."
                )
            time.sleep(0.1)
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def somebody_works(data: Path) -> bool:
    """Is there a process that claims runs on this data folder?"""
    try:
        file = (data / "lock").open("rb")
    except FileNotFoundError:
        return False
    with file:
        return not _locked(file, fcntl.LOCK_EX)


@contextmanager
def alone(lock: Path, *, patience: float) -> Iterator[bool]:
    """Whether we are the only one to hold this lock, of all threads and processes, during the block.

    `patience` is how many seconds to wait for it. The file is gone afterwards; its folder has to exist.
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
    """The file, locked; None if another holds it."""
    while True:
        file = lock.open("ab")
        if not _locked(file, fcntl.LOCK_EX):
            file.close()
            return None
        # Its last holder may have removed the file after we opened it; a lock on that keeps nobody out.
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file.fileno()), lock.stat()):
                return file
        file.close()


def once(path: Path, content: str) -> str:
    """What the file holds; `content` where this process is the first to ask. For our own eyes only."""
    if not path.exists():
        draft = path.with_name(f"{path.name}.{uuid.uuid4().hex}")
        draft.touch(mode=0o600)
        draft.write_text(content)
        with suppress(FileExistsError):
            path.hardlink_to(draft)  # unlike a rename, never over what another process wrote
        draft.unlink()
    return path.read_text()


def _locked(file: IO[bytes] | IO[str], kind: int) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
