"""The rules for leaving a workspace, checked on objects that the host unpacked, never in the clone.

Only new entries are checked: an entry that is the same in some parent existed
before, so the agent is not responsible for it. Each folder is checked when the walk
reaches it, so that a limit on depth or number ends the walk.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from bot.domain.errors import ExportRefused
from bot.git.object_reader import ObjectReader, sizes
from bot.git.run import Objects
from bot.sandbox.export import protected_paths, refusals
from bot.sandbox.export.extent import Extent
from bot.sandbox.export.letter_case import Spellings
from bot.sandbox.export.refusals import shown
from bot.sandbox.export.tree_walk import (
    GITLINK,
    GONE,
    LONGEST_NAME,
    LONGEST_PATH,
    SYMLINK,
    Entry,
    Folder,
    has,
    walk,
)
from bot.text.invisible import visible, without_joiners
from bot.text.units import human

_HELD_WHOLE = 64 << 20  # bytes of a commit or tree, which git loads whole
_MODES = frozenset({GONE, "100644", "100755", GITLINK, SYMLINK})


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Limits in bytes, numbers and seconds. GitHub takes no file over 100 MiB."""

    pack_bytes: int = 256 << 20
    total_bytes: int = 1 << 30  # of all new objects, unpacked
    blob_bytes: int = 100 << 20
    commits: int = 500
    parents: int = 16  # of one commit
    files: int = 20_000  # that one commit may change
    # Depth of new folders. Source code has far fewer, Windows opens at most 130, and the cost of a path grows
    # with its folders.
    folders: int = 100
    seconds: float = 600  # for the export's container
    protected_paths: Sequence[str] = protected_paths.DEFAULT


def large(objects: Objects, rules: Rules) -> dict[str, int]:
    """Return the objects that are too large, by id with their sizes in bytes; no object is read.

    Raises ExportRefused if all objects together are too large, or one commit or tree.
    """
    too_large, total = {}, 0
    for oid, kind, size in sizes(objects):
        total += size
        if kind != "blob" and size > _HELD_WHOLE:
            raise ExportRefused(
                f"A commit's message or a folder's list of files is larger than {human(_HELD_WHOLE)}. "
                "Shorten the message or split the folder, and put all the work in one new commit."
            )
        if size > rules.blob_bytes:
            too_large[oid] = size
        if total > rules.total_bytes:
            raise ExportRefused(
                f"The new work is larger than {human(rules.total_bytes)}. Remove files that are not source."
            )
    return too_large


@dataclass(frozen=True, slots=True)
class Check:
    """The checks of one export. `large` maps ids of objects that are too large to their sizes."""

    reader: ObjectReader
    large: Mapping[str, int]
    rules: Rules

    def violation(self, new: str, old: Sequence[str], extent: Extent) -> str:
        """Return the first violation of a commit or tree compared with its parents; "" if there is none.

        The sentences name the path, the reason and the next step. `extent` counts the changes.
        """
        spellings = Spellings()
        try:
            for folder, excess in self._bounded(new, old, extent):
                if violation := excess or self._entries(folder) or self._collision(folder, spellings, old):
                    return violation
        except ExportRefused as error:
            return str(error)
        return ""

    def excess(self, new: str, old: Sequence[str], extent: Extent) -> str:
        """Return the first violation of the limits on depth and number; above them git must not be run."""
        try:
            return next((excess for _, excess in self._bounded(new, old, extent) if excess), "")
        except ExportRefused as error:
            return str(error)

    def _bounded(self, new: str, old: Sequence[str], extent: Extent) -> Iterator[tuple[Folder, str]]:
        """Yield each folder that differs, with its violation or "".

        The folder that exceeds a limit of numbers is the last one.
        """
        folders = walk(self.reader, new, old)
        for folder in folders:
            extent.add(folder)
            if extent.is_over():
                with suppress(ExportRefused):
                    self._count_on(folders, extent)
                yield folder, extent.excess()
                return
            yield folder, self._depth(folder)

    def _count_on(self, folders: Iterator[Folder], extent: Extent) -> None:
        for folder in folders:
            extent.add(folder)
            if extent.is_enough():
                return

    def _depth(self, folder: Folder) -> str:
        place = folder.place
        if folder.is_new and place.depth > self.rules.folders:
            return refusals.deep(place.path, self.rules.folders)
        if place.length > LONGEST_PATH:
            return f"The path `{shown(place.path)}` is too long. Shorten or remove it, and commit."
        return ""

    def _entries(self, folder: Folder) -> str:
        for entry in folder.entries:
            if violation := self._entry(entry):
                return f"`{shown(entry.path)}` {violation}"
        links = [entry for entry in folder.entries if entry.mode == SYMLINK]
        targets = self.reader.read_many([link.oid for link in links], LONGEST_PATH)
        for link, target in zip(links, targets, strict=True):
            if not target.is_whole or not _inside(link.path, target.content):
                return (
                    f"`{shown(link.path)}` is a link that leads out of the repository or might do so. Point "
                    "it at a file in the repository, with `../` only at the beginning, or remove it."
                )
        return ""

    def _entry(self, entry: Entry) -> str:
        if entry.mode not in _MODES:
            return f"has mode {entry.mode}, which is not allowed. Make it an ordinary file."
        if entry.mode == GITLINK and GITLINK not in entry.before:
            return refusals.REPOSITORY
        if entry.added and not _clean(entry.path):
            return "has a name that not every system can store or show. Rename it."
        if entry.oid in self.large:
            return refusals.larger_than(self.rules.blob_bytes)
        return ""

    def _collision(self, folder: Folder, spellings: Spellings, parents: Sequence[str]) -> str:
        """Return a violation if a new name equals another if letter case and joiners are ignored."""
        for paths in spellings.add(folder):
            if not any(all(has(self.reader, parent, path) for path in paths) for parent in parents):
                listed = "` and `".join(shown(path) for path in paths[:3])
                return f"`{listed}` look the same, or are the same name on macOS and Windows. Rename one."
        return ""


def _clean(path: bytes) -> bool:
    try:
        text = path.decode()
    except UnicodeDecodeError:
        return False
    if len(path) > LONGEST_PATH or max(map(len, path.split(b"/"))) > LONGEST_NAME:
        return False
    names = set(text.split("/"))
    return not any(visible(name) != name or {"\n", "\t"} & set(name) or _reserved(name) for name in names)


def _reserved(part: str) -> bool:
    """Report whether git reserves this name, also in the spellings that are equal on Windows and macOS."""
    name = without_joiners(visible(part)).casefold()
    return name in {"", ".", ".."} or name.split(":")[0].rstrip(". ") in {".git", "git~1"}


def _inside(path: bytes, target: bytes) -> bool:
    """Report whether the target of a link at `path` is surely in the repository: any `../` come first.

    A `..` after a name is refused, because the name may be a link itself.
    """
    parts = target.decode(errors="replace").split("/")
    ups = 0
    while ups < len(parts) and parts[ups] in {"..", "."}:
        ups += 1
    names = {*parts[ups:]} - {"", "."}
    return (
        not target.startswith(b"/")
        and parts[:ups].count("..") <= path.count(b"/")
        and not any(map(_reserved, names))
        and "\0" not in target.decode(errors="replace")
    )
