"""What an export changes as a whole, for a person who must decide: how many files, and which give power."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from bot.domain.errors import ExportRefused
from bot.sandbox.export.checks import Rules
from bot.sandbox.export.extent import Extent
from bot.sandbox.export.path_globs import Pattern
from bot.sandbox.export.refusals import shown
from bot.sandbox.export.tree_walk import GITLINK, Folder

_FILES = 20  # times what one commit may change; commits of others, which were merged, count too
_CHARACTERS = 20_000  # of listed paths: a comment has room for half


@dataclass(frozen=True, slots=True)
class ChangeSummary:
    files: int
    protected_paths: list[str]  # paths; those there is no room for as their number: "… and 1,234 more"


def summary(folders: Iterable[Folder], rules: Rules) -> ChangeSummary:
    """Sum up folders that differ. Raises ExportRefused if they are more than can be looked at."""
    extent, power, links = Extent(rules.files * _FILES), _Listed(), _Listed()
    pattern = Pattern(rules.protected_paths)
    for folder in folders:
        extent.add(folder)
        if extent.is_over():
            raise ExportRefused(extent.excess())
        for entry in folder.entries:
            path = entry.path.decode(errors="replace")
            if pattern.matches(path):
                power.add(path)
            if GITLINK in (entry.mode, *entry.before):
                links.add(shown(entry.path))
    return ChangeSummary(extent.files, [*power.listed(), *links.listed()])


@dataclass(slots=True)
class _Listed:
    """Paths as far as there is room for them."""

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
