"""What was said on a thread of GitHub before an event: its comments, reviews, and comments on lines.

GitHub does not tell when a review's own words were edited. They are read seconds
after the event, which is as near to it as one can get.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from bot.domain.event import Event
from bot.domain.thread import Actor, Kind, Part, PartKind
from bot.forges.github.client import GitHubClient, newest
from bot.forges.parts import lines_comment
from bot.forges.payload import count, number, text, time


def before(client: GitHubClient, event: Event, me: Actor) -> list[Part]:
    """What others than `me` said before the event, oldest first."""
    found = [*_comments(client, event)]
    if event.thread.kind is Kind.CHANGE:
        found += [*_reviews(client, event), *_on_lines(client, event)]
    others = [(at, part) for at, by, part in found if by != me.id and (part.text or part.excerpt)]
    return [part for _, part in sorted(others, key=lambda each: each[0])]


_Said = Iterator[tuple[datetime, int | None, Part]]  # when, by whose id, what


def _comments(client: GitHubClient, event: Event) -> _Said:
    for row in newest(client, f"{_in(event)}/issues/{event.thread.number}/comments"):
        if _stood(row, event) and event.cause != f"comment:{row['id']}":
            part = Part(
                kind=PartKind.COMMENT, text=text(row, "body"), author=_author(row), at=row["created_at"]
            )
            yield time(row, "created_at"), number(row, "user.id"), part


def _reviews(client: GitHubClient, event: Event) -> _Said:
    for row in newest(client, f"{_in(event)}/pulls/{event.thread.number}/reviews"):
        at = text(row, "submitted_at")  # none: it is still being written
        if at and time(row, "submitted_at") <= event.at and event.cause != f"review:{row['id']}":
            said = "" if row["state"] == "COMMENTED" else f"({row['state'].replace('_', ' ').lower()})"
            words = f"{said}\n\n{text(row, 'body')}".strip()
            yield (
                time(row, "submitted_at"),
                number(row, "user.id"),
                Part(kind=PartKind.REVIEW, text=words, author=_author(row), at=at),
            )


def _on_lines(client: GitHubClient, event: Event) -> _Said:
    for row in newest(client, f"{_in(event)}/pulls/{event.thread.number}/comments"):
        # What belongs to the very review that speaks is part of what it says, and gets its last time with it.
        own = event.cause == f"review:{row['pull_request_review_id']}"
        if (own or _stood(row, event)) and event.cause != f"review-comment:{row['id']}":
            line = count(row, "line") or count(row, "original_line")
            part = lines_comment(
                row["path"],
                line,
                text(row, "diff_hunk"),
                text(row, "body"),
                author=_author(row),
                at=row["created_at"],
            )
            yield time(row, "created_at"), number(row, "user.id"), part


def _stood(row: Any, event: Event) -> bool:
    """Was it there, in these words, when the event came about?"""
    return time(row, "created_at") <= event.at and time(row, "updated_at") <= event.at


def _author(row: Any) -> str:
    return text(row, "user.login")  # null once the account is deleted


def _in(event: Event) -> str:
    return f"/repositories/{event.thread.repository_id}"
