"""A summary of all changes of an export, for the person who approves it: files and protected paths."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from bot.domain.errors import ExportRefused
from bot.sandbox.export.checks import Rules
from bot.sandbox.export.extent import Extent
from bot.sandbox.export.path_globs import Pattern
from bot.sandbox.export.refusals import shown
from bot.sandbox.export.tree_walk import GITLINK, Folder

_FILES = 20  # multiples of the limit of one commit; merged commits of other people count, too
_CHARACTERS = 20_000  # of listed paths


@dataclass(frozen=True, slots=True)
class ChangeSummary:
    """Numbers and paths of an export's changes."""

    files: int
    protected_paths: list[str]  # may end in "… and 1,234 more"


def summary(folders: Iterable[Folder], rules: Rules) -> ChangeSummary:
    """Sum up the folders that differ. Raises ExportRefused if there are too many to read."""
    extent, protected, links = Extent(rules.files * _FILES), _Listed(), _Listed()
    pattern = Pattern(rules.protected_paths)
    for folder in folders:
        extent.add(folder)
        if extent.is_over():
            raise ExportRefused(extent.excess())
        for entry in folder.entries:
            path = entry.path.decode(errors="replace")
            if pattern.matches(path):
                protected.add(path)
            if GITLINK in (entry.mode, *entry.before):
                links.add(shown(entry.path))
    return ChangeSummary(extent.files, [*protected.listed(), *links.listed()])


@dataclass(slots=True)
class _Listed:
    """A list of paths up to a total length; the others are only counted."""

    _paths: list[str] = field(default_factory=list)
    _room: int = _CHARACTERS
    _more: int = 0

    def add(self, path: str) -> None:
        self._room -= len(path)
        if self._room < 0:
            self._more += 1
        else:
            self._paths.append(path)

    def listed(self) -> list[str]:
        return sorted(self._paths) + ([f"… and {self._more:,} more"] if self._more else [])
