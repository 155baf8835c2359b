"""Mirrors: a bare copy of each remote, from which workspaces borrow objects. `bot.git.fetch` updates them."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from bot.domain.errors import GitFailed
from bot.domain.interrupt import Check, uninterrupted
from bot.git.run import git, run

REMOTE_HEAD = "refs/remote-head"  # our ref for the remote's HEAD
URL = "fetched-from"  # our file, beside those of git
_MOST_TAGS = 1000


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
        return (self.path / URL).read_text()

    @property
    def is_default_known(self) -> bool:
        """Report whether our default branch and the remote's HEAD had the same commit at the last fetch."""
        ref = f"refs/heads/{self.default_name}"
        oids = self._oids(ref, REMOTE_HEAD)
        return oids.get(ref) == oids.get(REMOTE_HEAD)

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
        self._clear_locks(task)
        lines = [f"update refs/keep/{task}/{oid} {oid}\n" for oid in sorted(set(oids))]
        self._git("update-ref", "--stdin", stdin="".join(lines).encode())

    def retained_heads(self, task: str) -> list[str]:
        """Return all commits retained for a task, which are all that its clone ever had refs for."""
        return [name.rpartition("/")[2] for name in self._retained_refs(task)]

    def release_heads(self, task: str) -> None:
        """Release all commits retained for a task. No error if there are none."""
        self._clear_locks(task)
        lines = [f"delete {name}\n" for name in self._retained_refs(task)]
        self._git("update-ref", "--stdin", stdin="".join(lines).encode())

    def _clear_locks(self, task: str) -> None:
        for lock in (self.path / "refs" / "keep" / task).glob("*.lock"):
            lock.unlink(missing_ok=True)  # of a killed git process: only one worker has the task

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
