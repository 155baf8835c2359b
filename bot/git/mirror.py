"""Mirrors: a bare copy of each remote, fetched by the host, from which workspaces borrow objects.

An ordinary fetch asks the remote with one git command, without `ls-remote`: every
command waits for it before its agent starts.
"""

import fcntl
import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from bot.domain.errors import GitFailed, RemoteMissing
from bot.domain.interrupt import Check, uninterrupted
from bot.git.bare_repository import clear_leftovers, make_bare
from bot.git.remote import network_environment, remote_failure
from bot.git.run import git, run

# Never `+refs/*:refs/*`: with --prune it would delete refs/keep.
_REFSPECS = (
    "+refs/heads/*:refs/heads/*",
    "+refs/tags/*:refs/tags/*",
    "+refs/pull/*/head:refs/pull/*/head",
    "+refs/merge-requests/*/head:refs/merge-requests/*/head",
)
_FETCH_OPTIONS = ("--quiet", "--prune", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules")
_REMOTE_HEAD = "refs/remote-head"
_URL = "fetched-from"  # our file, beside those of git
_FETCH_SECONDS = 1800
_MOST_TAGS = 1000
_LOCK_PAUSE = 0.1  # seconds between two attempts
_SYMREF = re.compile(rb"^ref: refs/heads/(.+)\tHEAD$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Mirror:
    """The copy at `path`. Its methods call `check` while git runs, and propagate its errors."""

    path: Path
    check: Check = field(default=uninterrupted, compare=False, repr=False)

    def head(self, branch: str) -> str:
        """Return the commit id of a branch at the last fetch; "" if the branch did not exist."""
        return self.heads(branch).get(branch, "")

    def heads(self, *branches: str) -> dict[str, str]:
        """Return the commit ids of the branches that existed at the last fetch, by name.

        One git process reads them all.
        """
        refs = {f"refs/heads/{name}": name for name in branches if name}
        return {refs[ref]: oid for ref, oid in self._oids(*refs).items()}

    def change_head(self, number: int) -> str:
        """Return the commit id of a change's head, also of one from a fork; "" if there was none."""
        oids = self._oids(f"refs/pull/{number}/head", f"refs/merge-requests/{number}/head")
        return next(iter(oids.values()), "")

    def merge_base(self, oid: str, branch: str) -> str:
        """Return the newest common ancestor of a commit and a branch. Raises GitFailed if there is none."""
        done = run("merge-base", oid, f"refs/heads/{branch}", at=self.path, check=self.check)
        if done.status:
            raise GitFailed(f"Commit {oid[:10]} has no common ancestor with `{branch}`.")
        return done.stdout.decode().strip()

    @property
    def default_name(self) -> str:
        """Name of the remote's default branch, whether or not that branch exists."""
        return (self.path / "HEAD").read_text().removeprefix("ref: refs/heads/").strip()

    @property
    def default_branch(self) -> str:
        """The remote's default branch; "" if the remote names a branch that does not exist.

        If the remote changes its default to another branch with the same head, that is noticed only at the
        next commit on either branch.
        """
        return self.default_name if self.head(self.default_name) else ""

    @property
    def url(self) -> str:
        """URL of the last fetch. Servers differ on whether it ends in `.git`."""
        return (self.path / _URL).read_text()

    @property
    def is_default_known(self) -> bool:
        """Report whether our default branch and the remote's HEAD had the same commit at the last fetch."""
        ref = f"refs/heads/{self.default_name}"
        oids = self._oids(ref, _REMOTE_HEAD)
        return oids.get(ref) == oids.get(_REMOTE_HEAD)

    def has(self, oid: str) -> bool:
        """Report whether the mirror contains this commit."""
        return run("cat-file", "-e", f"{oid}^{{commit}}", at=self.path, check=self.check).status == 0

    def tags(self, oid: str) -> dict[str, str]:
        """Return the ids of the tags that this commit or an ancestor has, by name; of many, the newest."""
        options = (f"--merged={oid}", "--sort=-creatordate", f"--count={_MOST_TAGS}")
        tags = self._refs(*options, "refs/tags/")
        return {name.removeprefix("refs/tags/"): tag for name, tag in tags.items()}

    def submodules(self, oid: str) -> list[str]:
        """Return the paths of the submodules of a commit; none if it has no `.gitmodules`."""
        # Without that file, as in most repositories, a large tree need not be read.
        if not self._git("ls-tree", "-z", oid, ".gitmodules"):
            return []
        entries = self._git("ls-tree", "-r", "-z", oid).decode(errors="replace").split("\0")
        return [entry.partition("\t")[2] for entry in entries if entry.startswith("160000 ")]

    def retain_heads(self, task: str, oids: Iterable[str]) -> None:
        """Retain these commits for the workspace of a task, even if the remote deletes them."""
        for lock in (self.path / "refs" / "keep" / task).glob("*.lock"):
            lock.unlink(missing_ok=True)  # of a killed git process: only one worker has the task
        lines = [f"update refs/keep/{task}/{oid} {oid}\n" for oid in sorted(set(oids))]
        self._git("update-ref", "--stdin", stdin="".join(lines).encode())

    def retained_heads(self, task: str) -> list[str]:
        """Return all commits retained for a task, which are all that its clone ever had refs for."""
        return [name.rpartition("/")[2] for name in self._retained_refs(task)]

    def release_heads(self, task: str) -> None:
        """Release all commits retained for a task. No error if there are none."""
        lines = [f"delete {name}\n" for name in self._retained_refs(task)]
        self._git("update-ref", "--stdin", stdin="".join(lines).encode())

    def _retained_refs(self, task: str) -> list[str]:
        return list(self._refs(f"refs/keep/{task}/"))

    def _oids(self, *refs: str) -> dict[str, str]:
        """Return the ids of the refs that exist.

        git reads the arguments as patterns, and lists all refs if there are no arguments.
        """
        if not refs:
            return {}
        oids = self._refs(*refs)
        return {ref: oids[ref] for ref in refs if ref in oids}

    def _refs(self, *args: str) -> dict[str, str]:
        """Return the ids of the refs that `git for-each-ref` lists with these arguments."""
        listed = self._git("for-each-ref", "--format=%(refname) %(objectname)", *args)
        return dict(line.split(" ") for line in listed.decode(errors="replace").splitlines())

    def _git(self, *args: str, stdin: bytes = b"") -> bytes:
        return git(*args, at=self.path, stdin=stdin, check=self.check)


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


def _spellings(mirror: Mirror, url: str) -> list[str]:
    """Return the URLs to try, with and without `.git`, the last successful one first.

    A canonical URL has no `.git`. Over http a forge accepts both; a plain server accepts only the name of
    the folder.
    """
    if not url.startswith("http"):
        return [url]
    known = mirror.url if (mirror.path / _URL).exists() else ""
    return sorted([f"{url}.git", url], key=lambda spelling: spelling != known)


def _fetch_from(mirror: Mirror, url: str, headers: Mapping[str, str], lock: int) -> Mirror:
    def fetch_refs(*refspecs: str) -> bool:
        return _fetch(mirror, url, headers, refspecs, lock=lock)

    if not fetch_refs(*_REFSPECS, f"+HEAD:{_REMOTE_HEAD}"):
        _learn_default(mirror, url, headers)
        fetch_refs(*_REFSPECS)
    elif not mirror.is_default_known:
        _learn_default(mirror, url, headers)
    # Replaced in one step, because other processes read it at any time.
    part = mirror.path / f"{_URL}.new"
    part.write_text(url)
    part.replace(mirror.path / _URL)
    return mirror


def _fetch(
    mirror: Mirror, url: str, headers: Mapping[str, str], refspecs: Sequence[str], *, lock: int
) -> bool:
    """Fetch the refs. Return False if the remote's HEAD names no commit, which means nothing was fetched."""
    done = run(
        *("fetch", *_FETCH_OPTIONS, "--", url, *refspecs),
        at=mirror.path,
        env=network_environment(url, headers),
        seconds=_FETCH_SECONDS,
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
    lock = mirror.path.with_suffix(".lock")
    with lock.open("a") as file:
        _lock(file.fileno(), mirror.check)
        if lock.stat().st_size:
            clear_leftovers(mirror.path)
        file.write("fetching")
        file.flush()
        yield file.fileno()
        file.truncate(0)


def _lock(descriptor: int, check: Check) -> None:
    """Wait for the lock. The fetch of another task may hold it for half an hour."""
    while True:
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            check()
            time.sleep(_LOCK_PAUSE)
