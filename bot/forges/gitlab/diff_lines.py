"""The lines of a diff that a comment is about. GitLab's hooks contain only their position."""

import re
from collections.abc import Iterator

from bot.domain.thread import Part, ReplyTarget
from bot.forges.gitlab.client import GitLabClient
from bot.forges.payload import at, count, listed, text
from bot.forges.prompt_parts import lines_part

_HEADER = re.compile(r"@@ -(\d+)(?:,\d+)? \+(\d+)(?:,\d+)? @@")
_PAGE = 100  # rows: GitLab's maximum
_SIGNS = (" -", " +")  # first characters of lines in the old file, and in the new


def read(client: GitLabClient, place: str, comment: ReplyTarget) -> Part | None:
    """Return the lines that the comment is about; None if GitLab no longer shows them.

    `place` is the path of the merge request in the API. Raises ValueError.
    """
    discussion = client.ask("GET", f"{place}/discussions/{comment.discussion}", accepted=(404,))
    notes = listed(discussion.data, "notes") if discussion.status == 200 else []
    position = next((at(note, "position") for note in notes if at(note, "id") == comment.comment_id), None)
    if not position:
        return None
    answer = client.ask("GET", f"{place}/diffs?per_page={_PAGE}", accepted=(404,))
    return part(position, listed(answer.data)) if answer.status == 200 else None


def part(position: object, diffs: list[object]) -> Part | None:
    """Return the lines at a note's `position`, from the diffs of its merge request; None if not found.

    Shapes: docs.gitlab.com/api/discussions and /api/merge_requests, "List merge request diffs".
    """
    new, old = count(position, "new_line"), count(position, "old_line")
    path = text(position, "new_path" if new is not None else "old_path")
    diff = next(
        (text(one, "diff") for one in diffs if path in (at(one, "new_path"), at(one, "old_path"))), ""
    )
    hunk = _around(diff, old, new)
    return lines_part(path, new if new is not None else old, hunk) if hunk else None


def _around(diff: str, old: int | None, new: int | None) -> str:
    """Return the hunk up to this line; "" if the line is not in the diff."""
    for side, number in ((1, new), (0, old)):
        for seen, numbers in _walked(diff):
            if number is not None and seen[-1][:1] in _SIGNS[side] and numbers[side] == number:
                return "\n".join(seen)
    return ""


def _walked(diff: str) -> Iterator[tuple[list[str], tuple[int, int]]]:
    """Yield, for each line after a header, the hunk up to it and its numbers in the old and the new file."""
    seen: list[str] = []
    before = after = 0
    for line in diff.split("\n"):
        if header := _HEADER.match(line):
            seen, before, after = [line], int(header[1]), int(header[2])
        elif seen and line:
            seen.append(line)
            yield seen, (before, after)
            before += line[0] in _SIGNS[0]
            after += line[0] in _SIGNS[1]
