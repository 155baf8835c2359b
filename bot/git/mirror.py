"""A bare copy of each remote, fetched by the host, from which workspaces borrow their objects.

One round trip is the whole of an ordinary fetch: it stands between a command
and its agent every time.
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
from bot.git.bare_repository import free, make_bare
from bot.git.remote import network, remote_failure
from bot.git.run import git, run

# Never `+refs/*:refs/*`: with --prune it would delete refs/keep.
_REFSPECS = (
    "+refs/heads/*:refs/heads/*",
    "+refs/pull/*/head:refs/pull/*/head",
    "+refs/merge-requests/*/head:refs/merge-requests/*/head",
)
_REMOTE_HEAD = "refs/remote-head"
_URL = "fetched-from"  # a file of ours beside git's
_FETCH_SECONDS = 1800
_LOCK_PAUSE = 0.1  # seconds between two tries
_SYMREF = re.compile(rb"^ref: refs/heads/(.+)\tHEAD$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Mirror:
    """The copy at `path`. `check` is called while git runs in it; its methods raise what that raises."""

    path: Path
    check: Check = field(default=uninterrupted, compare=False, repr=False)

    def head(self, branch: str) -> str:
        """Commit id of a branch at the last fetch; "" if there was none."""
        return self.heads(branch).get(branch, "")

    def heads(self, *branches: str) -> dict[str, str]:
        """Commit ids of those of these branches that there were at the last fetch. One process for all."""
        refs = {f"refs/heads/{name}": name for name in branches if name}
        return {refs[ref]: oid for ref, oid in self._oids(*refs).items()}

    def change_head(self, number: int) -> str:
        """Commit id of a change's head, forks included; "" if there was none."""
        found = self._oids(f"refs/pull/{number}/head", f"refs/merge-requests/{number}/head")
        return next(iter(found.values()), "")

    def merge_base(self, oid: str, branch: str) -> str:
        """The last commit a commit has in common with a branch. Raises GitFailed where there is none."""
        done = run("merge-base", oid, f"refs/heads/{branch}", at=self.path, check=self.check)
        if done.status:
            raise GitFailed(f"Commit {oid[:10]} has nothing in common with `{branch}`.")
        return done.stdout.decode().strip()

    @property
    def default_name(self) -> str:
        """What the remote calls its default branch, whether that exists or not."""
        return (self.path / "HEAD").read_text().removeprefix("ref: refs/heads/").strip()

    @property
    def default_branch(self) -> str:
        """The remote's default branch; "" where it names one that does not exist.

        A remote that makes another branch with the same head its default is believed at the next commit.
        """
        return self.default_name if self.head(self.default_name) else ""

    @property
    def url(self) -> str:
        """The spelling of the remote's URL that was fetched last: servers differ on `.git` at its end."""
        return (self.path / _URL).read_text()

    @property
    def is_default_known(self) -> bool:
        """Does the branch we take for the default stand where the remote's HEAD stood at the last fetch?"""
        ref = f"refs/heads/{self.default_name}"
        found = self._oids(ref, _REMOTE_HEAD)
        return found.get(ref) == found.get(_REMOTE_HEAD)

    def has(self, oid: str) -> bool:
        return run("cat-file", "-e", f"{oid}^{{commit}}", at=self.path, check=self.check).status == 0

    def keep(self, task: str, oids: Iterable[str]) -> None:
        """Hold these commits for a workspace, whatever the remote forgets."""
        for left in (self.path / "refs" / "keep" / task).glob("*.lock"):
            left.unlink(missing_ok=True)  # of a git that was killed: the task is in one worker's hands
        lines = [f"update refs/keep/{task}/{oid} {oid}\n" for oid in sorted(set(oids))]
        self._git("update-ref", "--stdin", stdin="".join(lines).encode())

    def kept(self, task: str) -> list[str]:
        """Every head that was kept for a task: what its clone was ever shown."""
        return [name.rpartition("/")[2] for name in self._kept_refs(task)]

    def release(self, task: str) -> None:
        """Let go of what was kept for a task; fine when that was nothing."""
        lines = [f"delete {name}\n" for name in self._kept_refs(task)]
        self._git("update-ref", "--stdin", stdin="".join(lines).encode())

    def _kept_refs(self, task: str) -> list[str]:
        names = self._git("for-each-ref", "--format=%(refname)", f"refs/keep/{task}/")
        return names.decode().split()

    def _oids(self, *refs: str) -> dict[str, str]:
        """Ids of these very refs, where they exist; git takes them for patterns, and none for all."""
        if not refs:
            return {}
        listed = self._git("for-each-ref", "--format=%(refname) %(objectname)", *refs)
        found = dict(line.split(" ") for line in listed.decode().splitlines())
        return {ref: found[ref] for ref in refs if ref in found}

    def _git(self, *args: str, stdin: bytes = b"") -> bytes:
        return git(*args, at=self.path, stdin=stdin, check=self.check)


def fetch(mirror: Mirror, url: str, headers: Mapping[str, str], *, check: Check = uninterrupted) -> Mirror:
    """Bring the mirror of `url` up to date, or make it; one fetch of a mirror at a time.

    Raises RemoteMissing, RemoteUnavailable (worth a retry), GitFailed for what a person must mend. `check`
    is called meanwhile, also while another fetch of the mirror is waited for, and by the returned mirror.
    A fetch that it ends leaves a mirror that the next fetch brings up to date.
    """
    mirror = replace(mirror, check=check)
    mirror.path.parent.mkdir(parents=True, exist_ok=True)
    with _alone(mirror) as lock:
        make_bare(mirror.path)
        *first, last = _spellings(mirror, url)
        for spelling in first:
            try:
                return _fetch_from(mirror, spelling, headers, lock)
            except RemoteMissing:
                continue
        return _fetch_from(mirror, last, headers, lock)


def _spellings(mirror: Mirror, url: str) -> list[str]:
    """A canonical URL has no `.git`. Forges take both over http, plain servers only the folder's own name."""
    if not url.startswith("http"):
        return [url]
    known = mirror.url if (mirror.path / _URL).exists() else ""
    return sorted([f"{url}.git", url], key=lambda spelling: spelling != known)


def _fetch_from(mirror: Mirror, url: str, headers: Mapping[str, str], lock: int) -> Mirror:
    env = network(url, headers)

    def fetch_refs(*refspecs: str) -> bool:
        return _fetch(mirror, url, env, refspecs, lock=lock)

    if not fetch_refs(*_REFSPECS, f"+HEAD:{_REMOTE_HEAD}"):
        _learn_default(mirror, url, env)
        fetch_refs(*_REFSPECS)
    elif not mirror.is_default_known:
        _learn_default(mirror, url, env)
    # Others read it at any time.
    part = mirror.path / f"{_URL}.new"
    part.write_text(url)
    part.replace(mirror.path / _URL)
    return mirror


def _fetch(mirror: Mirror, url: str, env: Mapping[str, str], refspecs: Sequence[str], *, lock: int) -> bool:
    """False: the remote's HEAD names no commit, so nothing was fetched."""
    args = ("fetch", "--quiet", "--prune", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules")
    given = (*args, "--", url, *refspecs)
    done = run(*given, at=mirror.path, env=env, seconds=_FETCH_SECONDS, holding=[lock], check=mirror.check)
    if done.status and "find remote ref HEAD" in done.said:
        return False
    if done.status:
        raise remote_failure(done.said)
    return True


def _learn_default(mirror: Mirror, url: str, env: Mapping[str, str]) -> None:
    done = run("ls-remote", "--symref", "--", url, env=env, check=mirror.check)
    if done.status:
        raise remote_failure(done.said)
    if not done.stdout:
        raise GitFailed("The repository is empty: it needs a first commit before anything can run on it.")
    if found := _SYMREF.search(done.stdout):
        git("symbolic-ref", "HEAD", f"refs/heads/{found[1].decode()}", at=mirror.path, check=mirror.check)


@contextmanager
def _alone(mirror: Mirror) -> Iterator[int]:
    """The lock's descriptor. It is let go by closing or dying, of us and of every git that has it.

    A word in the file says that a fetch has begun; it stays there where that one did not come to its end.
    """
    lock = mirror.path.with_suffix(".lock")
    with lock.open("a") as file:
        _lock(file.fileno(), mirror.check)
        if lock.stat().st_size:
            free(mirror.path)
        file.write("fetching")
        file.flush()
        yield file.fileno()
        file.truncate(0)


def _lock(descriptor: int, check: Check) -> None:
    """Wait for the lock, which another task's fetch may hold for half an hour."""
    while True:
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            check()
            time.sleep(_LOCK_PAUSE)
