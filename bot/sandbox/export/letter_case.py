"""Names that are equal if letter case is ignored, as on macOS and Windows, or if joiners are ignored.

Folders that differ only in case are one folder there. So each folder has a number,
and two spellings of one path have the same number.
"""

import unicodedata
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from bot.sandbox.export.tree_walk import LONGEST_NAME, Folder, Place
from bot.text.invisible import without_joiners


@dataclass(frozen=True, slots=True)
class Spellings:
    """The new names in the folders of one walk, with the existing names that equal them."""

    _numbers: dict[Place, int] = field(default_factory=dict)
    _folders: dict[tuple[int, str], int] = field(default_factory=dict)
    _spelled: defaultdict[tuple[int, str], set[tuple[Place, bytes]]] = field(
        default_factory=lambda: defaultdict(set)
    )

    def add(self, folder: Folder) -> Iterator[list[bytes]]:
        """Add the next folder; yield lists of two or more paths that are equal, one of them new."""
        number = self._number(folder.place)
        new = {folded(name) for name in folder.added}
        for name in folder.names() if new else ():
            if (fold := folded(name)) in new:
                self._spelled[number, fold].add((folder.place, name))
        for fold in sorted(new):
            spelled = self._spelled[number, fold]
            if len(spelled) > 1:
                yield sorted(place.below(name) for place, name in spelled)

    def _number(self, place: Place) -> int:
        key = (self._numbers[place.parent], folded(place.name)) if place.parent else (0, "")
        number = self._folders.setdefault(key, len(self._folders) + 1)
        self._numbers[place] = number
        return number


def folded(name: bytes) -> str:
    """Return the name in the form for comparison: without case and joiners, with accents in one spelling."""
    # To normalize a longer name may take hours. A new one is refused elsewhere; an old one is left as it is.
    if len(name) > LONGEST_NAME:
        return name.decode(errors="replace")
    return unicodedata.normalize("NFC", without_joiners(name.decode(errors="replace"))).casefold()
