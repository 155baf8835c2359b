"""What others wrote, as much of it as one prompt holds, and what of it is new to an agent.

A thread may be longer than any agent can read. Its own text comes first, then what
was said last: the older a comment, the sooner it is left out.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from bot.domain.thread import COMMENT, LINES_COMMENT, REVIEW, Part

_PART, _COMMENT, _ALL = 20_000, 5_000, 80_000  # characters: of a part, of one that is a comment, of all
_SAID = frozenset({COMMENT, LINES_COMMENT, REVIEW})
_LEFT_OUT = "Older comments"


def bounded(parts: Sequence[Part]) -> tuple[Part, ...]:
    """These parts, each cut to what there is room for; the comments that come first give way."""
    cut = [_cut(part) for part in parts]
    said = [part for part in cut if part.what in _SAID]
    others = [part for part in cut if part.what not in _SAID]
    room, kept = _ALL - sum(len(part.text) for part in others), len(said)
    while kept and room >= len(said[kept - 1].text):
        kept -= 1
        room -= len(said[kept].text)
    note = [Part(what=_LEFT_OUT, text=f"{kept} older comments are left out.")] if kept else []
    return (*others, *note, *said[kept:])


def unseen(parts: Iterable[Part], seen: Collection[Part]) -> list[Part]:
    """Those of these parts that an agent was not shown before, in these very words."""
    # To whom nothing is new but that more is left out, that is no news.
    return [part for part in parts if part not in seen and not (seen and part.what == _LEFT_OUT)]


def _cut(part: Part) -> Part:
    most = _COMMENT if part.what in _SAID else _PART
    left_out = max(0, len(part.text) - most)
    return replace(part, text=part.text[:most], left_out=part.left_out + left_out)
