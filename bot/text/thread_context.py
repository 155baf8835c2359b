"""What others wrote, as much of it as one prompt holds, and what of it is new to an agent.

A thread may be longer than any agent can read. Its own text comes first, then what
was said last: the older a comment, the sooner it is left out.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from bot.domain.thread import Part, PartKind

_PART, _COMMENT, _ALL = 20_000, 5_000, 80_000  # characters: of a part, of one that is a comment, of all
_COMMENTS = frozenset({PartKind.COMMENT, PartKind.LINES_COMMENT, PartKind.REVIEW})


def bounded(parts: Sequence[Part]) -> tuple[Part, ...]:
    """These parts, each cut to what there is room for; the comments that come first give way."""
    cut = [_cut(part) for part in parts]
    said = [part for part in cut if part.kind in _COMMENTS]
    others = [part for part in cut if part.kind not in _COMMENTS]
    room, kept = _ALL - sum(map(_size, others)), len(said)
    while kept and room >= _size(said[kept - 1]):
        kept -= 1
        room -= _size(said[kept])
    note = [Part(kind=PartKind.OMISSION, text=f"{kept} older comments are left out.")] if kept else []
    return (*others, *note, *said[kept:])


def unseen(parts: Iterable[Part], seen: Collection[Part]) -> list[Part]:
    """Those of these parts that an agent was not shown before, in these very words."""
    # To whom nothing is new but that more is left out, that is no news.
    return [part for part in parts if part not in seen and not (seen and part.kind is PartKind.OMISSION)]


def _cut(part: Part) -> Part:
    most = _COMMENT if part.kind in _COMMENTS else _PART
    if part.excerpt:
        hunk = part.excerpt.hunk
        # The comment is about the end of the hunk, so its beginning is cut.
        part = replace(part, excerpt=replace(part.excerpt, hunk=hunk[max(0, len(hunk) - most // 2) :]))
    most -= len(part.excerpt.hunk) if part.excerpt else 0
    left_out = max(0, len(part.text) - most)
    return replace(part, text=part.text[:most], left_out=part.left_out + left_out)


def _size(part: Part) -> int:
    return len(part.text) + (len(part.excerpt.hunk) if part.excerpt else 0)
