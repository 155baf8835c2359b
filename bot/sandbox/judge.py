"""In which form an agent's commits are taken, if at all: as they are, as one commit, or not.

A history that cannot go as it is loses its steps rather than the work: what HEAD
holds then goes as one commit on the last checked head.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from bot.errors import ExportRefused, GitFailed
from bot.sandbox.briefed import set_back
from bot.sandbox.check import Check
from bot.sandbox.git import Objects
from bot.sandbox.history import Commit, difference, read, trees
from bot.sandbox.rewrite import Style, body, rewrite


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """Of what was unpacked into `objects`. The new work must descend from `start`, the last checked head.

    `known` are commits the host has, with all that is behind them. `as_before` are pathspecs: here the
    agent changes nothing, and what it did is set back.
    """

    objects: Objects
    check: Check
    style: Style
    start: str
    known: Sequence[str]
    as_before: Sequence[str]

    def head(self, tip: str, commits: Sequence[Commit]) -> tuple[str, int]:
        """The new checked head, and how many commits are new. Raises ExportRefused."""
        descends = tip == self.start or any(self.start in commit.parents for commit in commits)
        if not descends and not self.objects.is_ancestor(self.start, tip):
            return self._flat(tip)
        if len(commits) > self.check.rules.commits:
            return self._flat(tip)
        if self.as_before:
            try:
                tip, commits = self._set_back(tip, commits)
            except GitFailed:
                return self._flat(tip)
        if any(map(self._offence, commits)):
            return self._flat(tip)
        ids = rewrite(commits, self.style, self._write)
        return ids.get(tip, tip), len(commits)

    def wip(self, snapshot: Commit, head: str) -> str:
        """Uncommitted work as a commit on the new head; "" where it holds nothing. Raises ExportRefused."""
        snapshot = self._on(head, snapshot)
        if not snapshot.entries:
            return ""
        if words := self._offence(snapshot):
            raise ExportRefused(f"The uncommitted work was not taken: {words}")
        return self._write(body(snapshot, [head], self.style))

    def _set_back(self, tip: str, commits: Sequence[Commit]) -> tuple[str, list[Commit]]:
        """The same commits without what they did to paths that stay as before."""
        ids: dict[str, str] = {}
        for commit in commits:
            parents = [ids.get(parent, parent) for parent in commit.parents]
            tree = set_back(self.objects, commit.tree, parents, self.as_before)
            if tree != commit.tree and len(parents) == 1 and [tree] == trees(self.objects, *parents):
                ids[commit.id] = parents[0]  # it did nothing else
            else:
                ids[commit.id] = self._write(body(replace(commit, tree=tree), parents, self.style))
        tip = ids.get(tip, tip)
        return tip, read(self.objects, [tip], self.known, len(commits))

    def _flat(self, tip: str) -> tuple[str, int]:
        """One commit of `tip`'s tree on the last checked head."""
        [last] = read(self.objects, [tip], [], 1)
        last = self._on(self.start, last)
        if [last.tree] == trees(self.objects, self.start):
            return self.start, 0
        entries = difference(self.objects, last.tree, *self.known)
        if words := self.check.offence(last.tree, self.known, entries):
            raise ExportRefused(words)
        return self._write(body(replace(last, message=""), [self.start], self.style)), 1

    def _on(self, parent: str, commit: Commit) -> Commit:
        """`commit` as one on `parent`, in what has to stay as before."""
        if not self.as_before:
            return commit
        tree = set_back(self.objects, commit.tree, [parent], self.as_before)
        entries = difference(self.objects, tree, parent)
        return replace(commit, id=tree, tree=tree, parents=(parent,), entries=entries)

    def _offence(self, commit: Commit) -> str:
        return self.check.offence(commit.id, commit.parents, commit.entries)

    def _write(self, content: bytes) -> str:
        written = self.objects.git("hash-object", "-t", "commit", "-w", "--stdin", stdin=content)
        return written.decode().strip()
