"""Paths against many globs, in time that grows with the length of a path and not with its square.

A glob is cut at its stars into pieces of fixed length. The first must stand at the start of
a part of the path, the last at the end, and the others in between, in order: of each the
first place found is as good as any other, so nothing is ever tried twice.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import translate

_PART = r"(?:\A|(?<=/))"  # where a part of a path begins


@dataclass(frozen=True, slots=True)
class _Glob:
    """One glob without alternatives."""

    first: re.Pattern[str]  # anchored where it may begin
    middle: tuple[re.Pattern[str], ...]
    last: re.Pattern[str] | None  # None: there is no star, and `first` is all of it
    length: int  # characters of the last piece

    def matches(self, path: str) -> bool:
        end = len(path) - self.length
        if self.last is None:
            return end >= 0 and self.first.match(path, end) is not None
        found = self.first.search(path)
        for piece in self.middle:
            found = piece.search(path, found.end()) if found else None
        return found is not None and found.end() <= end and self.last.match(path, end) is not None


class Pattern:
    """Globs as in .gitignore, but that `*` and `?` go past slashes. Letter case does not count."""

    def __init__(self, globs: Sequence[str]) -> None:
        self._globs = [made for glob in globs for made in _compiled(glob)]
        # All first pieces at once: of most paths nothing more is asked.
        self._any = re.compile(
            "|".join(dict.fromkeys(made.first.pattern for made in self._globs)) or r"(?!)", re.DOTALL
        )

    def matches(self, path: str) -> bool:
        """Whether a whole path does."""
        folded = path.casefold()
        return self._any.search(folded) is not None and any(glob.matches(folded) for glob in self._globs)


def _compiled(glob: str) -> Iterator[_Glob]:
    tied = "/" in glob.rstrip("/")
    *pieces, last = _pieces(glob.strip("/").casefold())
    yield _glob([*pieces, last], tied=tied)
    if glob.endswith("/"):  # and all below it; a link in place of the folder leads to what is in it
        yield _glob([*pieces, [*last, "/"], []], tied=tied)


def _glob(pieces: Sequence[Sequence[str]], *, tied: bool) -> _Glob:
    first, *rest = [re.compile("".join(piece), re.DOTALL) for piece in pieces]
    return _Glob(
        first=re.compile((r"\A" if tied else _PART) + f"(?:{first.pattern})", re.DOTALL),
        middle=tuple(rest[:-1]),
        last=rest[-1] if rest else None,
        length=len(pieces[-1]),
    )


def _pieces(glob: str) -> list[list[str]]:
    """What stands between its stars, as patterns of one character each."""
    pieces: list[list[str]] = [[]]
    at = 0
    while at < len(glob):
        end = _end_of_set(glob, at)
        if glob[at] == "*":
            pieces.append([])
        else:
            pieces[-1].append(translate(glob[at:end])[:-2])
        at = end
    return pieces


def _end_of_set(glob: str, at: int) -> int:
    """The end of the set of characters that begins here, or of the one character."""
    if glob[at] != "[":
        return at + 1
    begin = at + 1 + (glob[at + 1 : at + 2] == "!")
    close = glob.find("]", begin + (glob[begin : begin + 1] == "]"))
    return close + 1 if close >= 0 else at + 1
