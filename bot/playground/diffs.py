"""Lines of a diff: the hunk a review comment hangs on, and where its line went since."""

import re
from pathlib import Path

from bot.playground.git import git

_HEADER = re.compile(r"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")
_SIGNS = {"LEFT": (" ", "-"), "RIGHT": (" ", "+")}  # the lines of a hunk that are in the file of that side


def changed(folder: Path, base: str, head: str) -> set[str]:
    """The paths a pull request changes."""
    return set(git(folder, "diff", "--name-only", "-z", f"{base}...{head}").split("\0")) - {""}


def commits(folder: Path, base: str, head: str) -> set[str]:
    """The ids of the commits of a pull request."""
    return set(git(folder, "rev-list", f"{base}..{head}").split())


def hunk(folder: Path, span: tuple[str, str], path: str, *, side: str, line: int) -> tuple[str, int] | None:
    """The hunk around a line, cut after it as GitHub does, and the line's position in the file's diff.

    `span` is base and head; None if the line is not part of their diff. Positions
    count from the first header, and count later headers too.
    """
    seen: list[str] = []
    position = -1
    at: dict[str, int] = {}
    for text in git(folder, "--literal-pathspecs", "diff", f"{span[0]}...{span[1]}", "--", path).split("\n"):
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
    """The number in the second commit of a line of the first; None if it was changed or is gone."""
    shift = 0
    diff = git(folder, "--literal-pathspecs", "diff", "-U0", *span, "--", path)
    for header in filter(None, map(_HEADER.match, diff.split("\n"))):
        start, before, after = int(header[1]), int(header[2] or 1), int(header[4] or 1)
        if start <= line < start + before:
            return None
        if line >= start + max(before, 1):
            shift += after - before
    return line + shift
