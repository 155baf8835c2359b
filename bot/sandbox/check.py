"""What may leave a workspace: judged on objects the host unpacked, never in the clone.

Only what is new is judged: an entry that is the same in some parent was there
before, and is not the agent's to answer for.
"""

import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO

from bot.clean import visible
from bot.errors import ExportRefused
from bot.sandbox import power
from bot.sandbox.git import Objects
from bot.sandbox.history import GITLINK, SYMLINK, Entry
from bot.sizes import human

_GONE = "000000"
_MODES = frozenset({_GONE, "100644", "100755", GITLINK, SYMLINK})
_LONGEST = 4096  # bytes of a path, and of a link's target: PATH_MAX
_ARGUMENTS = 200  # paths on one command line, which holds 2 MiB: each may be as long as the longest


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Limits in bytes, numbers and seconds. GitHub takes no file over 100 MiB."""

    pack_bytes: int = 256 << 20
    total_bytes: int = 1 << 30  # of all new objects, unpacked
    blob_bytes: int = 100 << 20
    commits: int = 500
    files: int = 20_000  # that one commit may change
    folders: int = 100  # that a path may lead through
    seconds: float = 600  # the export's container
    power: Sequence[str] = power.DEFAULT


def large(incoming: Objects, rules: Rules) -> dict[str, int]:
    """Objects that are too large, none of them opened, with their sizes.

    Raises ExportRefused if all unpacked objects together are.
    """
    args = ("--batch-check=%(objectname) %(objectsize)", "--batch-all-objects", "--unordered")
    found, total = {}, 0
    for line in BytesIO(Objects(incoming.path, check=incoming.check).git("cat-file", *args)):
        oid, size = line.split()
        total += int(size)
        if int(size) > rules.blob_bytes:
            found[oid.decode()] = int(size)
    if total > rules.total_bytes:
        raise ExportRefused(
            f"The new work is larger than {human(rules.total_bytes)}. Take out what is not source."
        )
    return found


@dataclass(frozen=True, slots=True)
class Check:
    objects: Objects
    large: Mapping[str, int]
    rules: Rules

    def offence(self, commit: str, parents: Sequence[str], entries: Sequence[Entry]) -> str:
        """Why this commit may not leave: path, reason and what to do; "" if it may."""
        if len(entries) > self.rules.files:
            return f"More than {self.rules.files} files are changed. Take out what is generated."
        for entry in entries:
            if words := self._entry(entry):
                return f"`{shown(entry.path)}` {words}"
        return self._links(entries) or self._collision(commit, parents, entries)

    def _entry(self, entry: Entry) -> str:
        if entry.mode not in _MODES:
            return f"has mode {entry.mode}, which is no file's. Make it an ordinary file."
        if entry.mode == GITLINK and GITLINK not in entry.before:
            return "is a repository of its own. Remove its `.git`, or add it to `.gitignore`."
        if entry.added and not _clean(entry.path):
            return "has a name that not every system can hold or show. Rename it."
        if entry.oid in self.large:
            return f"is larger than {human(self.rules.blob_bytes)}. Remove it, or add it to `.gitignore`."
        return ""

    def _links(self, entries: Sequence[Entry]) -> str:
        links = [entry for entry in entries if entry.mode == SYMLINK]
        targets = _targets(self.objects, {entry.oid for entry in links}) if links else {}
        for entry in links:
            if not _inside(entry.path, targets.get(entry.oid, b"/")):
                return (
                    f"`{shown(entry.path)}` is a link that leads out of the repository, or is written "
                    "so that one cannot tell. Link by `../` and names to a file in it, or remove it."
                )
        return ""

    def _collision(self, commit: str, parents: Sequence[str], entries: Sequence[Entry]) -> str:
        """Two new names that are one where letter case does not count, as on macOS and Windows."""
        added = [entry.path for entry in entries if entry.added]
        wanted = {_folded(prefix) for path in added for prefix in _prefixes(path)}
        folders = {prefix for path in added for prefix in _prefixes(path)[:-1]}
        spellings: defaultdict[str, set[bytes]] = defaultdict(set)
        for name in self._siblings(commit, folders) if added else ():
            if (folded := _folded(name)) in wanted:
                spellings[folded].add(name)
        for names in spellings.values():
            if len(names) > 1 and not any(self._has_all(parent, names) for parent in parents):
                listed = "` and `".join(shown(name) for name in sorted(names))
                return f"`{listed}` are one name where letter case does not count. Rename one."
        return ""

    def _siblings(self, commit: str, folders: Iterable[bytes]) -> Iterable[bytes]:
        yield from self.objects.git("ls-tree", "-z", "--name-only", commit).split(b"\0")
        yield from self._list(commit, sorted(folder + b"/" for folder in folders))

    def _has_all(self, commit: str, names: Iterable[bytes]) -> bool:
        return set(names) <= set(self._list(commit, sorted(names)))

    def _list(self, commit: str, paths: Sequence[bytes]) -> Iterator[bytes]:
        for start in range(0, len(paths), _ARGUMENTS):
            asked = (path.decode(errors="surrogateescape") for path in paths[start : start + _ARGUMENTS])
            listed = self.objects.git("ls-tree", "-z", "-t", "--name-only", commit, "--", *asked)
            yield from listed.split(b"\0")


def shown(path: bytes) -> str:
    """A path fit to stand in a sentence."""
    return visible(path.decode(errors="replace")).replace("`", "'").replace("\n", " ")[:200]


def _clean(path: bytes) -> bool:
    try:
        text = path.decode()
    except UnicodeDecodeError:
        return False
    plain = visible(text) == text and not {"\n", "\t"} & set(text)
    return plain and len(path) <= _LONGEST and not any(_reserved(part) for part in text.split("/"))


def _reserved(part: str) -> bool:
    """Names git keeps for itself, in the spellings Windows takes for them too."""
    return part in {"", ".", ".."} or part.casefold().split(":")[0].rstrip(". ") in {".git", "git~1"}


def _inside(path: bytes, target: bytes) -> bool:
    """Whether a link at `path` surely ends inside: some `../`, then only names.

    `..` after a name cannot be judged: the name may itself be a link.
    """
    parts = target.decode(errors="replace").split("/")
    ups = 0
    while ups < len(parts) and parts[ups] in {"..", "."}:
        ups += 1
    names = [part for part in parts[ups:] if part not in {"", "."}]
    return (
        not target.startswith(b"/")
        and parts[:ups].count("..") <= path.count(b"/")
        and not any(_reserved(name) for name in names)
        and "\0" not in target.decode(errors="replace")
    )


def _targets(objects: Objects, oids: Iterable[str]) -> dict[str, bytes]:
    """Content of these blobs, but of those that are too long for a link's target."""
    asked = "\n".join([*oids, ""]).encode()
    lines = objects.git("cat-file", "--batch-check=%(objectname) %(objectsize)", stdin=asked).decode()
    short = [oid for oid, size in (line.split() for line in lines.splitlines()) if int(size) <= _LONGEST]
    output = BytesIO(objects.git("cat-file", "--batch=%(objectsize)", stdin="\n".join([*short, ""]).encode()))
    # Each is its size, a line end, the content, a line end.
    return {oid: output.read(int(output.readline()) + 1)[:-1] for oid in short}


def _prefixes(path: bytes) -> list[bytes]:
    parts = path.split(b"/")
    return [b"/".join(parts[: n + 1]) for n in range(len(parts))]


def _folded(path: bytes) -> str:
    return unicodedata.normalize("NFC", path.decode(errors="replace")).casefold()
