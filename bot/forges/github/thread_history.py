"""The history of a thread of GitHub before an event: comments, reviews, and comments on lines.

GitHub does not report when the body of a review was edited. It is read seconds after the event, so an edit
in between is not noticed.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from bot.domain.event import Event
from bot.domain.thread import Actor, Kind, Part, PartKind
from bot.forges.github.client import GitHubClient, newest
from bot.forges.payload import count, get, number, text, time
from bot.forges.prompt_parts import lines_comment


def before(client: GitHubClient, event: Event, me: Actor) -> list[Part]:
    """Return the comments and reviews of others than `me` before the event, oldest first."""
    entries = [*_comments(client, event)]
    if event.thread.kind is Kind.CHANGE:
        entries += [*_reviews(client, event), *_on_lines(client, event)]
    others = [(at, part) for at, by, part in entries if by != me.id and (part.text or part.excerpt)]
    return [part for _, part in sorted(others, key=lambda each: each[0])]


_Entries = Iterator[tuple[datetime, int | None, Part]]  # time, id of the author, text


def _comments(client: GitHubClient, event: Event) -> _Entries:
    for row in newest(client, f"{_in(event)}/issues/{event.thread.number}/comments"):
        if _is_unchanged(row, event) and event.cause != f"comment:{get(row, 'id', int)}":
            part = Part(
                kind=PartKind.COMMENT, text=text(row, "body"), author=_author(row), at=text(row, "created_at")
            )
            yield time(row, "created_at"), number(row, "user.id"), part


def _reviews(client: GitHubClient, event: Event) -> _Entries:
    for row in newest(client, f"{_in(event)}/pulls/{event.thread.number}/reviews"):
        at = text(row, "submitted_at")  # "" = not submitted yet
        if at and time(row, "submitted_at") <= event.at and event.cause != f"review:{get(row, 'id', int)}":
            state = get(row, "state", str)
            verdict = "" if state == "COMMENTED" else f"({state.replace('_', ' ').lower()})"
            body = f"{verdict}\n\n{text(row, 'body')}".strip()
            yield (
                time(row, "submitted_at"),
                number(row, "user.id"),
                Part(kind=PartKind.REVIEW, text=body, author=_author(row), at=at),
            )


def _on_lines(client: GitHubClient, event: Event) -> _Entries:
    for row in newest(client, f"{_in(event)}/pulls/{event.thread.number}/comments"):
        # Comments of the event's own review belong to its text, and get the time of its submission.
        own = event.cause == f"review:{number(row, 'pull_request_review_id')}"
        if (own or _is_unchanged(row, event)) and event.cause != f"review-comment:{get(row, 'id', int)}":
            line = count(row, "line") or count(row, "original_line")
            part = lines_comment(
                get(row, "path", str),
                line,
                text(row, "diff_hunk"),
                text(row, "body"),
                author=_author(row),
                at=text(row, "created_at"),
            )
            yield time(row, "created_at"), number(row, "user.id"), part


def _is_unchanged(row: Any, event: Event) -> bool:
    """Report whether the comment existed at the time of the event with its present text."""
    return time(row, "created_at") <= event.at and time(row, "updated_at") <= event.at


def _author(row: Any) -> str:
    return text(row, "user.login")  # null if the account is deleted


def _in(event: Event) -> str:
    return f"/repositories/{event.thread.repository_id}"
