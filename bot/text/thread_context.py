"""The untrusted parts of one prompt: bounded in size, and without the parts that the agent has seen.

A thread may be longer than any agent can read. The thread's own text has priority, then the newest
comments: the oldest comments are left out first.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from bot.domain.thread import Part, PartKind

_PART, _COMMENT, _ALL = 20_000, 5_000, 80_000  # characters of one part, of one comment, and of all parts
_COMMENTS = frozenset({PartKind.COMMENT, PartKind.LINES_COMMENT, PartKind.REVIEW})


def bounded(parts: Sequence[Part]) -> tuple[Part, ...]:
    """Cut long parts, and leave out the oldest comments if all together are too long."""
    cut = [_cut(part) for part in parts]
    comments = [part for part in cut if part.kind in _COMMENTS]
    others = [part for part in cut if part.kind not in _COMMENTS]
    budget, omitted = _ALL - sum(map(_size, others)), len(comments)
    while omitted and budget >= _size(comments[omitted - 1]):
        omitted -= 1
        budget -= _size(comments[omitted])
    note = [Part(kind=PartKind.OMISSION, text=f"{omitted} older comments are left out.")] if omitted else []
    return (*others, *note, *comments[omitted:])


def unseen(parts: Iterable[Part], seen: Collection[Part]) -> list[Part]:
    """Return the parts that the agent has not seen before with the same text."""
    # A changed count of omitted comments alone is not new to an agent that has seen others.
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
