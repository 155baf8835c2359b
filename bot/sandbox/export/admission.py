"""Admission of an agent's commits: one by one, as a single commit, or not at all.

If the commits cannot be admitted one by one, their history is dropped and not the
work: the tree of HEAD becomes a single commit on the last checked head.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from bot.domain.errors import ExportRefused, GitFailed, NotMerged
from bot.git.commit_writer import commit_id, write_commits
from bot.git.history import Commit, read_commit, read_commits, trees
from bot.git.run import Objects
from bot.sandbox.export.checks import Check
from bot.sandbox.export.extent import Extent
from bot.sandbox.export.instruction_files import restore
from bot.sandbox.export.rewrite import Style, body, rewrite

_COMMITS = 20  # the limit of all commits together, in multiples of the limit of one commit


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """The admission of the commits in `objects`, which must descend from `start`, the last checked head.

    `known` are commits that the host has, with all their ancestors. `restored_paths` are pathspecs: the
    agent's changes to these paths are undone. `flat`: the commits become one commit on `start`, and are
    refused if they do not descend from it.
    """

    objects: Objects
    check: Check
    style: Style
    start: str
    known: Sequence[str]
    restored_paths: Sequence[str]
    flat: bool = False

    def head(self, tip: str, commits: Sequence[Commit]) -> tuple[str, int]:
        """Admit `commits`, the last of which is `tip`; return the new checked head and the number of commits.

        Raises ExportRefused.
        """
        descends = tip == self.start or any(self.start in commit.parents for commit in commits)
        if not descends and not self.objects.is_ancestor(self.start, tip):
            if self.flat:
                raise NotMerged(self.start)
            return self._flat(tip)
        if self.flat or self._are_too_many(commits):
            return self._flat(tip)
        if self.restored_paths:
            if self._violate(commits, self.check.excess):
                return self._flat(tip)
            try:
                tip, commits = self._restored(tip, commits)
            except GitFailed:
                return self._flat(tip)
        if self._violate(commits, self.check.violation):
            return self._flat(tip)
        contents: list[bytes] = []
        ids = rewrite(commits, self.style, partial(_later, contents))
        write_commits(self.objects, contents)
        return ids.get(tip, tip), len(commits)

    def wip(self, snapshot: Commit, head: str) -> str:
        """Write uncommitted work as a commit on the new head and return its id; "" if it changes nothing.

        Raises ExportRefused.
        """
        violation, snapshot = self._on(head, snapshot)
        if not violation and [snapshot.tree] == trees(self.objects, head):
            return ""
        if violation := violation or self.check.violation(snapshot.tree, snapshot.parents, self._extent()):
            raise ExportRefused(f"The uncommitted work was not exported: {violation}")
        return self._write(body(snapshot, [head], self.style))

    def _are_too_many(self, commits: Sequence[Commit]) -> bool:
        rules = self.check.rules
        return len(commits) > rules.commits or any(len(each.parents) > rules.parents for each in commits)

    def _violate(self, commits: Sequence[Commit], check: Callable[[str, Sequence[str], Extent], str]) -> bool:
        """Report whether one commit fails the check, or all together change too much for single checks."""
        budget = self.check.rules.files * _COMMITS
        for each in commits:
            extent = self._extent()
            violation = check(each.id, each.parents, extent)
            budget -= extent.size
            if violation or budget < 0:
                return True
        return False

    def _restored(self, tip: str, commits: Sequence[Commit]) -> tuple[str, list[Commit]]:
        """Rewrite the commits without their changes to the restored paths; return the new tip and commits."""
        ids: dict[str, str] = {}
        for commit in commits:
            parents = [ids.get(parent, parent) for parent in commit.parents]
            tree = restore(self.objects, commit.tree, parents, self.restored_paths)
            if tree != commit.tree and len(parents) == 1 and [tree] == trees(self.objects, *parents):
                ids[commit.id] = parents[0]  # it changed nothing else
            else:
                ids[commit.id] = self._write(body(replace(commit, tree=tree), parents, self.style))
        tip = ids.get(tip, tip)
        return tip, read_commits(self.objects, self.check.reader, [tip], self.known, len(commits))

    def _flat(self, tip: str) -> tuple[str, int]:
        """Write one commit with the tree of `tip` on the last checked head. Raises ExportRefused."""
        violation, last = self._on(self.start, read_commit(self.check.reader, tip))
        if not violation and [last.tree] == trees(self.objects, self.start):
            return self.start, 0
        if violation := violation or self.check.violation(last.tree, self.known, self._extent()):
            raise ExportRefused(violation)
        return self._write(body(replace(last, message=""), [self.start], self.style)), 1

    def _on(self, parent: str, commit: Commit) -> tuple[str, Commit]:
        """Return a reason why git must not read the commit, or "", and the commit with restored paths."""
        if not self.restored_paths:
            return "", commit
        if excess := self.check.excess(commit.tree, [parent, *self.known], self._extent()):
            return excess, commit
        tree = restore(self.objects, commit.tree, [parent], self.restored_paths)
        return "", replace(commit, tree=tree, parents=(parent,))

    def _extent(self) -> Extent:
        return Extent(self.check.rules.files)

    def _write(self, content: bytes) -> str:
        return write_commits(self.objects, [content])[0]


def _later(contents: list[bytes], content: bytes) -> str:
    """Add a commit to those to be written together; return its id."""
    contents.append(content)
    return commit_id(content)
