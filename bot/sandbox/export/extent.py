"""How much one commit changes, counted while its folders are walked, and where most of that lies.

A few objects can name any number of paths, so the count itself must end: a commit
that is over is counted a little further, only to name the folder that makes it so.
"""

from collections import Counter
from dataclasses import dataclass, field

from bot.sandbox.export.refusals import shown
from bot.sandbox.export.tree_walk import GONE, Folder

_FOLDERS = 5  # changed folders for each file that may change
_PATH = 400  # bytes of path for each file that may change
_FURTHER = 5  # times the limit


@dataclass(slots=True)
class Extent:
    """What was counted so far. `most` files may be changed."""

    most: int
    files: int = 0
    folders: int = 0
    path_bytes: int = 0  # of all changed files
    removed: int = 0
    _below: Counter[bytes] = field(default_factory=Counter)

    def add(self, folder: Folder) -> None:
        entries = folder.entries
        self.folders += 1
        self.files += len(entries)
        self.path_bytes += len(entries) * folder.place.length + sum(len(entry.name) for entry in entries)
        self.removed += sum(entry.mode == GONE for entry in entries)
        for top in folder.place.tops:
            self._below[top] += len(entries) + 1

    @property
    def size(self) -> int:
        """Files and folders: what it costs to look at them."""
        return self.files + self.folders

    def is_over(self, times: int = 1) -> bool:
        """Whether this is more than may be, or than `times` as much."""
        most = self.most * times
        return self.files > most or self.folders > most * _FOLDERS or self.path_bytes > most * _PATH

    def is_enough(self) -> bool:
        """Whether to count on would tell nothing more."""
        return self.is_over(_FURTHER) or self.folders > self.most * _FOLDERS

    def excess(self) -> str:
        """What is too much, where, and what to do."""
        where = self._folder()
        lies = f", most of them below `{shown(where)}/`" if where else ""
        return f"{self._what()}{lies}. {self._advice(where)}"

    def _what(self) -> str:
        if self.files > self.most:
            return f"More than {self.most:,} files are changed"
        if self.folders > self.most * _FOLDERS:
            return f"More than {self.most * _FOLDERS:,} folders are changed"
        return f"The paths of the changed files are longer than {self.most * _PATH:,} bytes in all"

    def _advice(self, where: bytes) -> str:
        if self.removed * 2 > self.files > self.most:
            return "Split the removal into several commits."
        if where:
            return "Remove them, or add that folder to `.gitignore`, and commit."
        return "Remove what is generated, or add it to `.gitignore`, and commit."

    def _folder(self) -> bytes:
        """The innermost folder that holds more than half."""
        most = [top for top, size in self._below.items() if size * 2 > self.files + self.folders]
        return max(most, key=lambda top: top.count(b"/"), default=b"")
