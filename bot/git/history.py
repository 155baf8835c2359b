"""Commits read one by one as git stores them; only the beginning of a long message is read."""

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from bot.domain.errors import GitFailed
from bot.git.object_reader import Object, ObjectReader
from bot.git.run import Objects

# Bytes to read of a commit. The bot uses 16,000 characters of a message; only parents make a header long.
_LONGEST = 1 << 16
# Bytes to drop at the cut: a secret that ends after it would not be recognised by its first half.
_UNSURE = 4096
_HEADER = re.compile(rb"tree ([0-9a-f]{40})\n((?:parent [0-9a-f]{40}\n)*)(?:author (.*)\n)?")
_ENCODING = re.compile(rb"^encoding ([\w-]{1,30})$", re.MULTILINE | re.ASCII)
# Only these encodings, because some other codecs of Python take more than linear time.
_ENCODINGS = re.compile(
    r"iso-?8859-\d+|latin-?1|(?:windows-|cp)125\d|koi8-[ru]|euc-?(?:jp|kr)|shift_?jis|gb(?:k|2312|18030)|big5"
)


@dataclass(frozen=True, slots=True)
class Commit:
    id: str
    tree: str
    parents: tuple[str, ...]  # incomplete if there are more than a thousand
    date: str  # the author's, as git writes it raw: seconds since the epoch, zone
    message: str


def read_commits(
    objects: Objects, reader: ObjectReader, tips: Sequence[str], known: Sequence[str], most: int
) -> list[Commit]:
    """Return the newest `most` commits of `tips` that `known` do not have, parents before children.

    Raises GitFailed.
    """
    revisions = "\n".join([*tips, *(f"^{oid}" for oid in known), ""])
    args = ("--topo-order", "--reverse", f"--max-count={most}", "--stdin")
    listed = objects.git("rev-list", *args, stdin=revisions.encode())
    return [_parsed(entry) for entry in reader.read_many(listed.decode().split(), _LONGEST)]


def read_commit(reader: ObjectReader, oid: str) -> Commit:
    """Return the commit with this id. Raises GitFailed if the id names no commit."""
    return _parsed(reader.read(oid, _LONGEST))


def _parsed(entry: Object) -> Commit:
    if entry.kind != "commit":
        raise GitFailed(f"The object {entry.oid} is a {entry.kind}, not a commit.")
    header, _, message = entry.content.partition(b"\n\n")
    # git ignores a parent line that follows other fields.
    fields = _HEADER.match(header + b"\n")
    if not fields:
        raise GitFailed(f"The commit {entry.oid} is malformed.")
    tree, parents, author = (field.decode(errors="replace") for field in fields.groups(b""))
    encoding = _ENCODING.search(header)
    if not entry.is_whole:
        message = message[:-_UNSURE]
    return Commit(
        id=entry.oid,
        tree=tree,
        parents=tuple(parents.split()[1::2]),
        date=author.rpartition(">")[2].strip(),
        message=_decoded(message, encoding[1].decode() if encoding else ""),
    )


def trees(objects: Objects, *commits: str) -> list[str]:
    """Return the tree id of each commit. Raises GitFailed."""
    return objects.git("rev-parse", *(f"{commit}^{{tree}}" for commit in commits)).decode().split()


def _decoded(message: bytes, encoding: str) -> str:
    """Decode by the commit's encoding header, as UTF-8 if Python does not know that encoding."""
    if _ENCODINGS.fullmatch(encoding.lower()):
        with suppress(LookupError):
            return message.decode(encoding, errors="replace")
    return message.decode(errors="replace")
