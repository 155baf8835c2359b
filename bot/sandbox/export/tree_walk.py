"""A lazy comparison of the sides of a change, folder by folder, with the result of git's combined diff.

Only folders that differ from all old sides are read. The memory at any time is one folder
and the names of the pending ones, and the caller can stop at any time.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from bot.domain.errors import ExportRefused, GitFailed
from bot.git.object_reader import ObjectReader
from bot.sandbox.export.refusals import shown

GITLINK = "160000"
SYMLINK = "120000"
TREE = "040000"
GONE = "000000"
LONGEST_PATH = 4096  # bytes, also of a link's target (PATH_MAX)
LONGEST_NAME = 255  # bytes: no file system in use allows more
_TREE_BYTES = 16 << 20  # of one folder's list: 400,000 files of short names
_AHEAD = 40  # folders to read in one batch
_TOPS = 4  # depth of the folders that are remembered for messages

_Item = tuple[str, bytes]  # mode and id
_Side = str | None  # id of a folder; None = it does not exist
_Change = tuple[bytes, _Item, Sequence[_Item]]  # name, item on the new side, different items on the old ones
_ITEM = re.compile(rb"[0-7]+ [^\0]+\0.{20}", re.DOTALL)
_NOTHING: _Item = (GONE, bytes(20))
_NOWHERE, _ADDED = [_NOTHING], (GONE,)


@dataclass(frozen=True, slots=True)
class Entry:
    """One path that differs from all old sides."""

    path: bytes
    before: tuple[str, ...]  # modes on the old sides, without duplicates; "000000" = missing
    mode: str
    oid: str

    @property
    def added(self) -> bool:
        """Report whether an old side does not have the path."""
        return self.mode != GONE and GONE in self.before

    @property
    def name(self) -> bytes:
        return self.path.rpartition(b"/")[2]


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """The place of a folder, as a link to its parent: whole paths would repeat each other."""

    parent: "Place | None" = None
    name: bytes = b""
    depth: int = 0  # number of folders in a path to one of its files
    length: int = 0  # bytes of its path, with a slash
    tops: tuple[bytes, ...] = ()  # paths of its outermost ancestors, itself included

    def inside(self, name: bytes) -> "Place":
        """Return the place of the subfolder with this name."""
        tops = self.tops if self.depth >= _TOPS else (*self.tops, self.below(name))
        return Place(self, name, self.depth + 1, self.length + len(name) + 1, tops)

    def below(self, name: bytes) -> bytes:
        """Return the path of the entry with this name."""
        names, place = [name], self
        while place.parent:
            names.append(place.name)
            place = place.parent
        return b"/".join(reversed(names))

    @property
    def path(self) -> bytes:
        return self.parent.below(self.name) if self.parent else b""


@dataclass(frozen=True, slots=True)
class Folder:
    """One folder that differs, with its different entries except subfolders."""

    place: Place
    is_new: bool  # no old side has it
    entries: Sequence[Entry]
    added: Sequence[bytes]  # names, also of subfolders, that an old side does not have
    _written: Sequence[bytes]

    def names(self) -> Iterator[bytes]:
        """Return all names on the new side."""
        return (_read(written)[0] for written in self._written)


@dataclass(frozen=True, slots=True)
class _Pending:
    place: Place
    new: _Side
    old: tuple[_Side, ...]

    @property
    def sides(self) -> list[str]:
        return [side for side in (self.new, *self.old) if side]


def walk(reader: ObjectReader, new: str, old: Sequence[str]) -> Iterator[Folder]:
    """Yield the folders of `new` that differ from all `old` sides, in git's order. All may be commits.

    A path that only some old sides have, and not the new one, does not differ from the others. Raises
    GitFailed, and ExportRefused for a folder that is too large to read.
    """
    tree = _root(reader, new)
    sides: tuple[_Side, ...] = tuple(dict.fromkeys(_root(reader, each) for each in old)) or (None,)
    waiting = [] if tree in sides else [_Pending(Place(), tree, sides)]
    while waiting:
        if not reader.holds(waiting[-1].sides):
            reader.fetch(side for each in reversed(waiting[-_AHEAD:]) for side in each.sides)
        this = waiting.pop()
        written, changes = _compare(reader, this)
        yield _folder(this, written, changes)
        waiting += [*_folders(this.place, changes)][::-1]


def has(reader: ObjectReader, tree: str, path: bytes) -> bool:
    """Report whether this tree or commit has an entry at this path. Raises what `walk` raises."""
    side: _Side = _root(reader, tree)
    *folders, last = path.split(b"/")
    for name in folders:
        mode, oid = dict(map(_read, _written(reader, side, Place()))).get(name, _NOTHING)
        side = oid.hex() if mode == TREE else None
    return last in dict(map(_read, _written(reader, side, Place())))


def _root(reader: ObjectReader, name: str) -> str:
    return reader.tree(f"{name}^{{tree}}", _TREE_BYTES).oid


def _compare(reader: ObjectReader, this: _Pending) -> tuple[list[bytes], list[_Change]]:
    """Return the raw items of the new side, and the changes: items and removals that no old side has."""
    written = _written(reader, this.new, this.place)
    now, fresh = set(written), set(written)
    before: list[dict[bytes, _Item]] = []
    for side in this.old:
        old = set(_written(reader, side, this.place))
        fresh -= old
        before.append(dict(map(_read, old - now)))
    # `before` has only items that differ. An old side without such an item for a name does not have the name:
    # if it had the same item, the item would not be fresh.
    names = dict(map(_read, fresh))
    gone = set(before[0]).intersection(*before[1:])
    changes: list[_Change] = []
    for name in sorted({*names, *gone}):
        item = names.get(name, _NOTHING)
        known = [*dict.fromkeys(side.get(name, _NOTHING) for side in before)]
        if item not in known:
            changes.append((name, item, known))
    return written, changes


def _written(reader: ObjectReader, side: _Side, place: Place) -> list[bytes]:
    """Return the raw items of a folder."""
    if side is None:
        return []
    tree = reader.tree(side, _TREE_BYTES)
    if not tree.is_whole:
        raise ExportRefused(
            f"`{shown(place.path)}/` has too many files for one folder. Spread them, or remove them."
        )
    written: list[bytes] = _ITEM.findall(tree.content)
    if sum(map(len, written)) != tree.size:
        raise GitFailed(f"The tree {side} is malformed.")
    return written


def _read(written: bytes) -> tuple[bytes, _Item]:
    mode, _, rest = written.partition(b" ")
    name, _, oid = rest.partition(b"\0")
    return name, (_mode(mode), oid)


@lru_cache(maxsize=64)
def _mode(written: bytes) -> str:
    """Normalize a mode as git does: there are only two modes of files."""
    mode = int(written, 8)
    kinds = {0o100000: f"100{0o755 if mode & 0o100 else 0o644:o}", 0o120000: SYMLINK, 0o040000: TREE}
    return kinds.get(mode & 0o170000, GITLINK)


def _folder(this: _Pending, written: Sequence[bytes], changes: Sequence[_Change]) -> Folder:
    entries, added = [], []
    for name, item, old in changes:
        was = _ADDED if old == _NOWHERE else tuple({_file(each)[0] for each in old})
        mode, oid = _file(item)
        if mode != GONE or GONE not in was:
            entries.append(Entry(this.place.below(name), was, mode, oid.hex()))
        if item != _NOTHING and _NOTHING in old:
            added.append(name)
    is_new = this.place.parent is not None and this.new is not None and not any(this.old)
    return Folder(this.place, is_new, entries, added, written)


def _file(item: _Item) -> _Item:
    """Return the item, or the missing one if it is a folder."""
    return _NOTHING if item[0] == TREE else item


def _folders(place: Place, changes: Sequence[_Change]) -> Iterator[_Pending]:
    """Yield the subfolders to compare; a removed one only if all old sides had it."""
    for name, (mode, oid), old in changes:
        new = oid.hex() if mode == TREE else None
        sides = tuple(dict.fromkeys(oid.hex() if mode == TREE else None for mode, oid in old))
        if new or None not in sides:
            yield _Pending(place.inside(name), new, sides)
