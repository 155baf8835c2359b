"""Commits as they are written, read one by one: of a long message only the beginning."""

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from bot.domain.errors import GitFailed
from bot.git.object_reader import Object, ObjectReader
from bot.git.run import Objects

# Bytes of a commit that are read. Of its message 16,000 characters are kept; only parents make a header long.
_LONGEST = 1 << 16
# A secret that ends past what is read would not be recognised by its first half.
_UNSURE = 4096
_HEADER = re.compile(rb"tree ([0-9a-f]{40})\n((?:parent [0-9a-f]{40}\n)*)(?:author (.*)\n)?")
_ENCODING = re.compile(rb"^encoding ([\w-]{1,30})$", re.MULTILINE | re.ASCII)
# Of those Python knows, some take far longer than their text is long.
_ENCODINGS = re.compile(
    r"iso-?8859-\d+|latin-?1|(?:windows-|cp)125\d|koi8-[ru]|euc-?(?:jp|kr)|shift_?jis|gb(?:k|2312|18030)|big5"
)


@dataclass(frozen=True, slots=True)
class Commit:
    id: str
    tree: str
    parents: tuple[str, ...]  # not all of more than a thousand
    date: str  # the author's, as git writes it raw: seconds since the epoch, zone
    message: str


def read(
    objects: Objects, reader: ObjectReader, tips: Sequence[str], known: Sequence[str], most: int
) -> list[Commit]:
    """The newest `most` commits of `tips` that `known` do not have, parents before children.

    Raises GitFailed.
    """
    revisions = "\n".join([*tips, *(f"^{oid}" for oid in known), ""])
    args = ("--topo-order", "--reverse", f"--max-count={most}", "--stdin")
    listed = objects.git("rev-list", *args, stdin=revisions.encode())
    return [_parsed(found) for found in reader.read_many(listed.decode().split(), _LONGEST)]


def read_commit(reader: ObjectReader, oid: str) -> Commit:
    """The commit of this id. Raises GitFailed if it is none."""
    return _parsed(reader.read(oid, _LONGEST))


def _parsed(found: Object) -> Commit:
    if found.kind != "commit":
        raise GitFailed(f"The object {found.oid} is a {found.kind}, not a commit.")
    header, _, message = found.content.partition(b"\n\n")
    # Further on a line that begins so is no parent to git.
    fields = _HEADER.match(header + b"\n")
    if not fields:
        raise GitFailed(f"The commit {found.oid} is broken.")
    tree, parents, author = (field.decode(errors="replace") for field in fields.groups(b""))
    encoding = _ENCODING.search(header)
    if not found.is_whole:
        message = message[:-_UNSURE]
    return Commit(
        id=found.oid,
        tree=tree,
        parents=tuple(parents.split()[1::2]),
        date=author.rpartition(">")[2].strip(),
        message=_decoded(message, encoding[1].decode() if encoding else ""),
    )


def trees(objects: Objects, *commits: str) -> list[str]:
    return objects.git("rev-parse", *(f"{commit}^{{tree}}" for commit in commits)).decode().split()


def _decoded(message: bytes, encoding: str) -> str:
    """As UTF-8 wherever Python does not know what the commit says it is."""
    if _ENCODINGS.fullmatch(encoding.lower()):
        with suppress(LookupError):
            return message.decode(encoding, errors="replace")
    return message.decode(errors="replace")
