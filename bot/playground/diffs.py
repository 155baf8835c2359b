"""Lines of a diff: the hunk that a review comment belongs to, and the line after later pushes."""

import re
from pathlib import Path

from bot.playground.git import opened

_HEADER = re.compile(r"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")
# First characters of the lines that the file of a side has.
_SIGNS = {
    "LEFT": (" ", "-"),
    "RIGHT": (" ", "+"),
}


def changed(folder: Path, base: str, head: str) -> set[str]:
    """Return the paths that a pull request changes."""
    with opened(folder) as repo:
        return set(repo.git.diff("--name-only", "-z", f"{base}...{head}").split("\0")) - {""}


def commits(folder: Path, base: str, head: str) -> set[str]:
    """Return the ids of the commits of a pull request."""
    with opened(folder) as repo:
        return set(repo.git.rev_list(f"{base}..{head}").split())


def of_file(folder: Path, path: str, *words: str) -> str:
    """Return the diff of one file. `words` are the commits, and options of git diff."""
    with opened(folder) as repo:
        return str(repo.git(literal_pathspecs=True).diff(*words, "--", path))


def hunk(folder: Path, span: tuple[str, str], path: str, *, side: str, line: int) -> tuple[str, int] | None:
    """Return the hunk around a line, cut after it as GitHub does, and the line's position in the diff.

    `span` is base and head. Return None if the line is not part of their diff. Positions count from the
    first header, and later headers count too.
    """
    seen: list[str] = []
    position = -1
    at: dict[str, int] = {}
    for text in of_file(folder, path, f"{span[0]}...{span[1]}").split("\n"):
        header = _HEADER.match(text)
        if header:
            seen, at = [], {"LEFT": int(header[1]), "RIGHT": int(header[3])}
        if not at:
            continue  # the file's own header
        seen.append(text)
        position += 1
        for name in () if header else _SIGNS:
            if text[:1] in _SIGNS[name]:
                if (name, at[name]) == (side, line):
                    return "\n".join(seen), position
                at[name] += 1
    return None


def line_now(folder: Path, span: tuple[str, str], path: str, line: int) -> int | None:
    """Return the number that a line of the first commit has in the second, None if it was changed."""
    shift = 0
    diff = of_file(folder, path, "-U0", *span)
    for header in filter(None, map(_HEADER.match, diff.split("\n"))):
        start, before, after = int(header[1]), int(header[2] or 1), int(header[4] or 1)
        if start <= line < start + before:
            return None
        if line >= start + max(before, 1):
            shift += after - before
    return line + shift
