"""What a range of commits holds, read by one `git log`: an export is mostly process starts."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from sys import intern

from bot.sandbox.git import Objects

GITLINK = "160000"
SYMLINK = "120000"
_RAW = ("-r", "-z", "--raw", "--no-abbrev", "--no-renames", "--no-ext-diff", "--ignore-submodules=none")
# One byte no path token of ours begins with, then fields, each ended by NUL.
_FORMAT = "--format=tformat:%x01%H%x00%T%x00%P%x00%ad%x00%B"


@dataclass(frozen=True, slots=True)
class Entry:
    """One path that is not what it is in any parent."""

    path: bytes
    before: tuple[str, ...]  # mode in each parent; "000000" = not there
    mode: str
    oid: str

    @property
    def added(self) -> bool:
        return self.mode != "000000" and "000000" in self.before


@dataclass(frozen=True, slots=True)
class Commit:
    id: str
    tree: str
    parents: tuple[str, ...]
    date: str  # the author's, as git writes it raw: seconds since the epoch, zone
    message: str
    entries: list[Entry] = field(default_factory=list)


def read(objects: Objects, tips: Sequence[str], known: Sequence[str], most: int) -> list[Commit]:
    """The newest `most` commits of `tips` that `known` do not have, parents before children."""
    revisions = "\n".join([*tips, *(f"^{oid}" for oid in known), ""])
    args = ("--topo-order", "--reverse", "-c", *_RAW, "--date=raw", _FORMAT, f"--max-count={most}", "--stdin")
    tokens = _tokens(objects.git("log", *args, stdin=revisions.encode()))
    commits: list[Commit] = []
    for token in tokens:
        if token.startswith(b"\x01"):
            tree, parents, date, message = (next(tokens).decode(errors="replace") for _ in range(4))
            commits.append(Commit(token[1:].decode(), tree, tuple(parents.split()), date, message))
        elif raw := token.lstrip(b"\n"):
            commits[-1].entries.append(_entry(raw, next(tokens)))
    return commits


def difference(objects: Objects, new: str, *old: str) -> list[Entry]:
    """Paths of `new` that are not the same in any of `old`."""
    # One old side alone would be read as the new one; twice the same changes nothing.
    sides = old if len(old) > 1 else (*old, *old)
    return list(_entries(objects.git("diff", "-c", *_RAW, new, *sides)))


def trees(objects: Objects, *commits: str) -> list[str]:
    return objects.git("rev-parse", *(f"{commit}^{{tree}}" for commit in commits)).decode().split()


def _entries(output: bytes) -> Iterator[Entry]:
    tokens = _tokens(output)
    for raw in tokens:
        if raw:
            yield _entry(raw, next(tokens))


def _tokens(output: bytes) -> Iterator[bytes]:
    """What stands between NULs; one by one, because there may be hundreds of thousands."""
    start = 0
    while (end := output.find(b"\0", start)) >= 0:
        yield output[start:end]
        start = end + 1
    yield output[start:]


def _entry(raw: bytes, path: bytes) -> Entry:
    """`::mode mode mode oid oid oid XX`: a colon, a mode and an oid for each parent, then the result's."""
    text = raw.decode()
    parents = len(text) - len(text.lstrip(":"))
    words = text[parents:].split(" ")
    modes = [intern(mode) for mode in words[: parents + 1]]
    return Entry(path, tuple(modes[:parents]), modes[parents], words[2 * parents + 1])
