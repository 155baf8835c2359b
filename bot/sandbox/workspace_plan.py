"""The input and the result of the preparation of a workspace."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bot.domain.interrupt import Check, uninterrupted
from bot.sandbox.export.protected_paths import pathspecs


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkspacePlan:
    """The state to which `prepare` brings a clone. `name` is the container's, with task, run and epoch."""

    task: str
    run: int
    name: str
    mirror: Path
    quarantine: Path
    branch: str
    start: str  # commit for the branch
    before: str = ""  # commit that a retained clone's files come from, if they have to move to `start`
    refs: Mapping[str, str]  # all remote-tracking refs of the clone: "origin/main" -> commit
    tags: Mapping[str, str] = field(default_factory=dict)  # to set in the clone: "v1" -> id
    instruction_files: Sequence[str]  # patterns, as in .gitignore, of files that agents obey
    session_file: str = ""  # shell pattern below the agent's home; `prepare` tells whether it matches
    briefed_by: str = ""  # commit with the instruction files for the agent; "" = `start`
    uid: int | None = None  # user id for a new workspace; None = the engine's default one
    check: Check = field(default=uninterrupted, compare=False)  # called while the container works

    def arguments(self) -> list[str]:
        """Return the arguments of `prepare.sh` behind the first."""
        briefed = [self.briefed_by, "\n".join(pathspecs(self.instruction_files))]
        named = {f"remotes/{name}": oid for name, oid in self.refs.items()}
        named |= {f"tags/{name}": oid for name, oid in self.tags.items()}
        refs = [part for pair in named.items() for part in pair]
        commits = [self.branch, self.start, self.before]
        return [str(self.run), *commits, self.session_file, *briefed, *refs]


@dataclass(frozen=True, slots=True)
class Prepared:
    """The result of a preparation. `moved` False: the clone is at `before`, because its files conflict."""

    has_session: bool  # the session's file exists
    moved: bool
