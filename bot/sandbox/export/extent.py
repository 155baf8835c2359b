"""The number of changes of one commit, counted during the walk, and the folder with most of them.

A few objects can name any number of paths, so the count itself is limited. Above the
limit it continues a little, to find the folder that contains most of the changes.
"""

from collections import Counter
from dataclasses import dataclass, field

from bot.sandbox.export.refusals import shown
from bot.sandbox.export.tree_walk import GONE, Folder

_FOLDERS = 5  # the limit of changed folders is this times the limit of files
_PATH = 400  # the limit of bytes in paths is this times the limit of files
_FURTHER = 5  # above a limit, the count of files and bytes goes on to this times the limit


@dataclass(slots=True)
class Extent:
    """The counts so far. `most` is the limit of changed files."""

    most: int
    files: int = 0
    folders: int = 0
    path_bytes: int = 0  # of all changed files
    removed: int = 0
    _below: Counter[bytes] = field(default_factory=Counter)

    def add(self, folder: Folder) -> None:
        """Count the changes in a folder."""
        entries = folder.entries
        self.folders += 1
        self.files += len(entries)
        self.path_bytes += len(entries) * folder.place.length + sum(len(entry.name) for entry in entries)
        self.removed += sum(entry.mode == GONE for entry in entries)
        for top in folder.place.tops:
            self._below[top] += len(entries) + 1

    @property
    def size(self) -> int:
        """Number of changed files and folders, which is the cost of checking them."""
        return self.files + self.folders

    def is_over(self, times: int = 1) -> bool:
        """Report whether the counts are above the limits, or above `times` the limits."""
        most = self.most * times
        return self.files > most or self.folders > most * _FOLDERS or self.path_bytes > most * _PATH

    def is_enough(self) -> bool:
        """Report whether the count can end."""
        return self.is_over(_FURTHER) or self.folders > self.most * _FOLDERS

    def excess(self) -> str:
        """Return sentences on the exceeded limit, the folder with most changes, and the next step."""
        folder = self._folder()
        most = f", most of them below `{shown(folder)}/`" if folder else ""
        return f"{self._limit()}{most}. {self._advice(folder)}"

    def _limit(self) -> str:
        if self.files > self.most:
            return f"More than {self.most:,} files are changed"
        if self.folders > self.most * _FOLDERS:
            return f"More than {self.most * _FOLDERS:,} folders are changed"
        return f"The paths of the changed files are longer than {self.most * _PATH:,} bytes in all"

    def _advice(self, folder: bytes) -> str:
        if self.removed * 2 > self.files > self.most:
            return "Split the removal into several commits."
        if folder:
            return "Remove them, or add that folder to `.gitignore`, and commit."
        return "Remove generated files, or add them to `.gitignore`, and commit."

    def _folder(self) -> bytes:
        """Return the innermost folder with more than half of the changes; b"" if there is none."""
        most = [top for top, size in self._below.items() if size * 2 > self.files + self.folders]
        return max(most, key=lambda top: top.count(b"/"), default=b"")
