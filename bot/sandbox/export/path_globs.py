"""Matching of paths against many globs, in time linear in the length of a path.

A glob is cut at its stars into pieces of fixed length. The first piece must match at the
start of a path component, the last one at the end of the path, and the others between
them, in order. The first match of each is as good as any other, so nothing is tried twice.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import translate

_PART = r"(?:\A|(?<=/))"  # the start of a path component


@dataclass(frozen=True, slots=True)
class _Glob:
    """One glob without alternatives."""

    first: re.Pattern[str]  # with its anchor
    middle: tuple[re.Pattern[str], ...]
    last: re.Pattern[str] | None  # None: there is no star, and `first` is the whole glob
    length: int  # characters of the last piece

    def matches(self, path: str) -> bool:
        end = len(path) - self.length
        if self.last is None:
            return end >= 0 and self.first.match(path, end) is not None
        match = self.first.search(path)
        for piece in self.middle:
            match = piece.search(path, match.end()) if match else None
        return match is not None and match.end() <= end and self.last.match(path, end) is not None


class Pattern:
    """Globs as in .gitignore, except that `*` and `?` match slashes and letter case is ignored."""

    def __init__(self, globs: Sequence[str]) -> None:
        self._globs = [made for glob in globs for made in _compiled(glob)]
        # All first pieces in one expression, which rejects most paths at once.
        self._any = re.compile(
            "|".join(dict.fromkeys(made.first.pattern for made in self._globs)) or r"(?!)", re.DOTALL
        )

    def matches(self, path: str) -> bool:
        """Report whether a glob matches the whole path."""
        folded = path.casefold()
        return self._any.search(folded) is not None and any(glob.matches(folded) for glob in self._globs)


def _compiled(glob: str) -> Iterator[_Glob]:
    tied = "/" in glob.rstrip("/")
    *pieces, last = _pieces(glob.strip("/").casefold())
    yield _glob([*pieces, last], tied=tied)
    if glob.endswith("/"):  # all paths below, too; above, the folder itself, which may be a link
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
    """Cut the glob at its stars; return the pieces as patterns of one character each."""
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
    """Return the end of the character set that begins at `at`, or of the single character."""
    if glob[at] != "[":
        return at + 1
    begin = at + 1 + (glob[at + 1 : at + 2] == "!")
    close = glob.find("]", begin + (glob[begin : begin + 1] == "]"))
    return close + 1 if close >= 0 else at + 1
