"""In which form an agent's commits are taken, if at all: as they are, as one commit, or not.

A history that cannot go as it is loses its steps rather than the work: what HEAD
holds then goes as one commit on the last checked head.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from bot.domain.errors import ExportRefused, GitFailed
from bot.git.commit_writer import commit_id, write_commits
from bot.git.history import Commit, read_commit, read_commits, trees
from bot.git.run import Objects
from bot.sandbox.export.checks import Check
from bot.sandbox.export.extent import Extent
from bot.sandbox.export.instruction_files import restore
from bot.sandbox.export.rewrite import Style, body, rewrite

_COMMITS = 20  # times what one commit may change: that much all of them together may


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """Of what was unpacked into `objects`. The new work must descend from `start`, the last checked head.

    `known` are commits the host has, with all that is behind them. `restored_paths` are pathspecs: here the
    agent changes nothing, and what it did is set back.
    """

    objects: Objects
    check: Check
    style: Style
    start: str
    known: Sequence[str]
    restored_paths: Sequence[str]

    def head(self, tip: str, commits: Sequence[Commit]) -> tuple[str, int]:
        """The new checked head, and how many commits are new. Raises ExportRefused."""
        descends = tip == self.start or any(self.start in commit.parents for commit in commits)
        if not descends and not self.objects.is_ancestor(self.start, tip):
            return self._flat(tip)
        if self._are_too_many(commits):
            return self._flat(tip)
        if self.restored_paths:
            if self._offend(commits, self.check.excess):
                return self._flat(tip)
            try:
                tip, commits = self._set_back(tip, commits)
            except GitFailed:
                return self._flat(tip)
        if self._offend(commits, self.check.violation):
            return self._flat(tip)
        contents: list[bytes] = []
        ids = rewrite(commits, self.style, partial(_later, contents))
        write_commits(self.objects, contents)
        return ids.get(tip, tip), len(commits)

    def wip(self, snapshot: Commit, head: str) -> str:
        """Uncommitted work as a commit on the new head; "" where it holds nothing. Raises ExportRefused."""
        words, snapshot = self._on(head, snapshot)
        if not words and [snapshot.tree] == trees(self.objects, head):
            return ""
        if words := words or self.check.violation(snapshot.tree, snapshot.parents, self._extent()):
            raise ExportRefused(f"The uncommitted work was not taken: {words}")
        return self._write(body(snapshot, [head], self.style))

    def _are_too_many(self, commits: Sequence[Commit]) -> bool:
        rules = self.check.rules
        return len(commits) > rules.commits or any(len(each.parents) > rules.parents for each in commits)

    def _offend(self, commits: Sequence[Commit], check: Callable[[str, Sequence[str], Extent], str]) -> bool:
        """Whether one of them does not pass, or all together are more work than their steps are worth."""
        left = self.check.rules.files * _COMMITS
        for each in commits:
            extent = self._extent()
            words = check(each.id, each.parents, extent)
            left -= extent.size
            if words or left < 0:
                return True
        return False

    def _set_back(self, tip: str, commits: Sequence[Commit]) -> tuple[str, list[Commit]]:
        """The same commits without what they did to paths that stay as before."""
        ids: dict[str, str] = {}
        for commit in commits:
            parents = [ids.get(parent, parent) for parent in commit.parents]
            tree = restore(self.objects, commit.tree, parents, self.restored_paths)
            if tree != commit.tree and len(parents) == 1 and [tree] == trees(self.objects, *parents):
                ids[commit.id] = parents[0]  # it did nothing else
            else:
                ids[commit.id] = self._write(body(replace(commit, tree=tree), parents, self.style))
        tip = ids.get(tip, tip)
        return tip, read_commits(self.objects, self.check.reader, [tip], self.known, len(commits))

    def _flat(self, tip: str) -> tuple[str, int]:
        """One commit of `tip`'s tree on the last checked head."""
        words, last = self._on(self.start, read_commit(self.check.reader, tip))
        if not words and [last.tree] == trees(self.objects, self.start):
            return self.start, 0
        if words := words or self.check.violation(last.tree, self.known, self._extent()):
            raise ExportRefused(words)
        return self._write(body(replace(last, message=""), [self.start], self.style)), 1

    def _on(self, parent: str, commit: Commit) -> tuple[str, Commit]:
        """`commit` as one on `parent`, in what has to stay as before; or why git must not look at it."""
        if not self.restored_paths:
            return "", commit
        if words := self.check.excess(commit.tree, [parent, *self.known], self._extent()):
            return words, commit
        tree = restore(self.objects, commit.tree, [parent], self.restored_paths)
        return "", replace(commit, tree=tree, parents=(parent,))

    def _extent(self) -> Extent:
        return Extent(self.check.rules.files)

    def _write(self, content: bytes) -> str:
        return write_commits(self.objects, [content])[0]


def _later(contents: list[bytes], content: bytes) -> str:
    """Take a commit to be written with the others; its id is known before."""
    contents.append(content)
    return commit_id(content)
