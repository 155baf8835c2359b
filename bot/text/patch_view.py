"""A patch in a form that is safe to show: folded in a comment, whole on a page.

The agent wrote the patch. A carriage return in it could end a line, and a forge may execute the first word of
the next line as a command. So carriage returns are removed.
"""

import re
from collections.abc import Sequence

from bot.text.invisible import visible
from bot.text.redaction import redact
from bot.text.sanitize import fence, shown

_MOST = 60_000  # characters of the whole block: GitHub allows 65,536 in a comment
_FIRST_LINE = 200  # bytes, more than git prints there
_COUNT = re.compile(r"(\d+) files? changed(?:, (\d+) insertions?\(\+\))?(?:, (\d+) deletions?\(-\))?")


def whole(patch: bytes, secrets: Sequence[str]) -> str:
    """Return the patch for a page, without invisible characters and secrets."""
    return redact(visible(_text(patch)), secrets)


def counts(patch: bytes) -> str:
    """Return the counts of files and lines of a patch, such as "1 file, +2 -0"; "" without changes."""
    return _in_short(_text(patch[:_FIRST_LINE]).split("\n", 1)[0]) if patch else ""


def folded(patch: bytes, most: int = _MOST, *, is_open: bool = False) -> str:
    """Return the patch for a comment: a block that can be folded, cut to `most` characters."""
    count, _, text = shown(_text(patch)).rstrip("\n").partition("\n\n")
    ends = fence(text)
    limit = most - 2 * len(ends)
    lines = text if len(text) <= limit else text[: max(0, text.rfind("\n", 0, limit))]
    parts = [
        f"<details{' open' if is_open else ''}><summary>{_in_short(count)}</summary>",
        f"{ends}diff\n{lines}\n{ends}",
    ]
    if lines != text:
        omitted = text.count("\n") - lines.count("\n")
        parts.append(f"{omitted:,} more lines are left out here.")
    return "\n\n".join([*parts, "</details>"])


def _in_short(count: str) -> str:
    """Shorten git's count of files and lines."""
    match = _COUNT.search(count)
    if match is None:
        return "the patch"
    files, added, removed = (int(number or 0) for number in match.groups())
    return f"{files} file{'' if files == 1 else 's'}, +{added} -{removed}"


def _text(patch: bytes) -> str:
    return patch.decode(errors="replace").replace("\r", "")
