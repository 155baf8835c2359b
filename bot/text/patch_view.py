"""A patch made fit to show: folded in a comment, whole on a page.

An agent wrote it. A carriage return would end a line for whoever shows it, and so
put words of the agent's at the start of one: there a forge may take them for a command.
"""

import re
from collections.abc import Sequence

from bot.text.redaction import redact
from bot.text.sanitize import fence, shown, visible

_MOST = 60_000  # characters of the whole block: GitHub takes 65,536 in a comment
_COUNT = re.compile(r"(\d+) files? changed(?:, (\d+) insertions?\(\+\))?(?:, (\d+) deletions?\(-\))?")


def whole(patch: bytes, secrets: Sequence[str]) -> str:
    """For a page: nothing one cannot see, no secrets."""
    return redact(visible(_text(patch)), secrets)


def folded(patch: bytes) -> str:
    """For a comment: a block to open, under its count of files and lines. A long one is cut."""
    count, _, text = shown(_text(patch)).rstrip("\n").partition("\n\n")
    ends = fence(text)
    room = _MOST - 2 * len(ends)
    lines = text if len(text) <= room else text[: max(0, text.rfind("\n", 0, room))]
    parts = [f"<details><summary>{_in_short(count)}</summary>", f"{ends}diff\n{lines}\n{ends}"]
    if lines != text:
        left_out = text.count("\n") - lines.count("\n")
        parts.append(f"{left_out:,} more lines are left out here.")
    return "\n\n".join([*parts, "</details>"])


def _in_short(count: str) -> str:
    """git's own count, shorter."""
    found = _COUNT.search(count)
    if found is None:
        return "the patch"
    files, added, removed = (int(number or 0) for number in found.groups())
    return f"{files} file{'' if files == 1 else 's'}, +{added} -{removed}"


def _text(patch: bytes) -> str:
    return patch.decode(errors="replace").replace("\r", "")
