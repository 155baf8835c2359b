"""Names that are one name where letter case does not count, as on macOS and Windows.

Folders that differ in case only are one folder there, so each folder has a number,
and two spellings of one path the same.
"""

import unicodedata
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from bot.sandbox.export.tree_walk import LONGEST_NAME, Folder, Place


@dataclass(frozen=True, slots=True)
class Spellings:
    """New names, and names beside them, of the folders of one walk."""

    _numbers: dict[Place, int] = field(default_factory=dict)
    _folders: dict[tuple[int, str], int] = field(default_factory=dict)
    _spelled: defaultdict[tuple[int, str], set[tuple[Place, bytes]]] = field(
        default_factory=lambda: defaultdict(set)
    )

    def add(self, folder: Folder) -> Iterator[list[bytes]]:
        """Add the next folder; yield paths that are one with a new name of it, two or more at a time."""
        number = self._number(folder.place)
        wanted = {folded(name) for name in folder.added}
        for name in folder.names() if wanted else ():
            if (fold := folded(name)) in wanted:
                self._spelled[number, fold].add((folder.place, name))
        for fold in sorted(wanted):
            spelled = self._spelled[number, fold]
            if len(spelled) > 1:
                yield sorted(place.below(name) for place, name in spelled)

    def _number(self, place: Place) -> int:
        key = (self._numbers[place.parent], folded(place.name)) if place.parent else (0, "")
        number = self._folders.setdefault(key, len(self._folders) + 1)
        self._numbers[place] = number
        return number


def folded(name: bytes) -> str:
    """The name as it is compared: without case, and with accents in one spelling."""
    if len(name) > LONGEST_NAME:  # it is refused, or was there before, and to compose it may take hours
        return name.decode(errors="replace")
    return unicodedata.normalize("NFC", name.decode(errors="replace")).casefold()
