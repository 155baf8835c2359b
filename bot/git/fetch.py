"""Fetching a mirror: on the host, under a lock that outlives a killed worker.

An ordinary fetch asks the remote with one git command, without `ls-remote`: every
command waits for it before its agent starts.
"""

import fcntl
import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from bot.domain.errors import GitFailed, RemoteMissing
from bot.domain.interrupt import Check, uninterrupted
from bot.git.bare_repository import clear_leftovers, make_bare
from bot.git.mirror import REMOTE_HEAD, URL, Mirror
from bot.git.remote import network_environment, remote_failure
from bot.git.run import git, run

# Never `+refs/*:refs/*`: with --prune it would delete refs/keep.
_REFSPECS = (
    "+refs/heads/*:refs/heads/*",
    "+refs/tags/*:refs/tags/*",
    "+refs/pull/*/head:refs/pull/*/head",
    "+refs/merge-requests/*/head:refs/merge-requests/*/head",
)
_OPTIONS = ("--quiet", "--prune", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules")
_SECONDS = 1800
_LOCK_PAUSE = 0.1  # seconds between two attempts
_SYMREF = re.compile(rb"^ref: refs/heads/(.+)\tHEAD$", re.MULTILINE)


def fetch(mirror: Mirror, url: str, headers: Mapping[str, str], *, check: Check = uninterrupted) -> Mirror:
    """Create the mirror of `url` or bring it up to date, waiting for any other fetch of this mirror.

    Raises RemoteMissing, RemoteUnavailable (worth a retry), or GitFailed if a person must act. `check` is
    called during the fetch and the wait, and by the returned mirror. If it ends a fetch, the next fetch
    brings the mirror up to date.
    """
    mirror = replace(mirror, check=check)
    mirror.path.parent.mkdir(parents=True, exist_ok=True)
    with _locked(mirror) as lock:
        make_bare(mirror.path)
        *first, last = _spellings(mirror, url)
        for spelling in first:
            try:
                return _fetch_from(mirror, spelling, headers, lock)
            except RemoteMissing:
                continue
        return _fetch_from(mirror, last, headers, lock)


def clear_interrupted(mirror: Path) -> None:
    """Remove what an interrupted fetch has left in a mirror, unless another fetch is in progress."""
    with suppress(FileNotFoundError, BlockingIOError), _lock_file(mirror).open("r+") as file:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(file.fileno()).st_size:
            clear_leftovers(mirror)
            file.truncate(0)


def _spellings(mirror: Mirror, url: str) -> list[str]:
    """Return the URLs to try, with and without `.git`, the last successful one first.

    A canonical URL has no `.git`. Over http a forge accepts both; a plain server accepts only the name of
    the folder.
    """
    if not url.startswith("http"):
        return [url]
    known = mirror.url if (mirror.path / URL).exists() else ""
    return sorted([f"{url}.git", url], key=lambda spelling: spelling != known)


def _fetch_from(mirror: Mirror, url: str, headers: Mapping[str, str], lock: int) -> Mirror:
    def fetch_refs(*refspecs: str) -> bool:
        return _fetch(mirror, url, headers, refspecs, lock=lock)

    if not fetch_refs(*_REFSPECS, f"+HEAD:{REMOTE_HEAD}"):
        _learn_default(mirror, url, headers)
        fetch_refs(*_REFSPECS)
    elif not mirror.is_default_known:
        _learn_default(mirror, url, headers)
    # Replaced in one step, because other processes read it at any time.
    part = mirror.path / f"{URL}.new"
    part.write_text(url)
    part.replace(mirror.path / URL)
    return mirror


def _fetch(
    mirror: Mirror, url: str, headers: Mapping[str, str], refspecs: Sequence[str], *, lock: int
) -> bool:
    """Fetch the refs. Return False if the remote's HEAD names no commit, which means nothing was fetched."""
    done = run(
        *("fetch", *_OPTIONS, "--", url, *refspecs),
        at=mirror.path,
        env=network_environment(url, headers),
        seconds=_SECONDS,
        inherited_locks=[lock],
        check=mirror.check,
    )
    if done.status and "find remote ref HEAD" in done.stderr:
        return False
    if done.status:
        raise remote_failure(done.stderr, url, headers)
    return True


def _learn_default(mirror: Mirror, url: str, headers: Mapping[str, str]) -> None:
    env = network_environment(url, headers)
    done = run("ls-remote", "--symref", "--", url, env=env, check=mirror.check)
    if done.status:
        raise remote_failure(done.stderr, url, headers)
    if not done.stdout:
        raise GitFailed("The repository is empty: it needs a first commit before anything can run on it.")
    if match := _SYMREF.search(done.stdout):
        git("symbolic-ref", "HEAD", f"refs/heads/{match[1].decode()}", at=mirror.path, check=mirror.check)


@contextmanager
def _locked(mirror: Mirror) -> Iterator[int]:
    """Lock the mirror for the block; yield the lock's descriptor.

    The lock is released when this process and every git process that inherited the descriptor have closed
    it or died. The file contains a word during a fetch. If the word is there before a fetch, the last one was
    interrupted, and its leftovers are removed.
    """
    lock = _lock_file(mirror.path)
    with lock.open("a") as file:
        _lock(file.fileno(), mirror.check)
        if lock.stat().st_size:
            clear_leftovers(mirror.path)
        file.write("fetching")
        file.flush()
        yield file.fileno()
        file.truncate(0)


def _lock_file(mirror: Path) -> Path:
    return mirror.with_suffix(".lock")


def _lock(descriptor: int, check: Check) -> None:
    """Wait for the lock. The fetch of another task may hold it for half an hour."""
    while True:
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            check()
            time.sleep(_LOCK_PAUSE)
