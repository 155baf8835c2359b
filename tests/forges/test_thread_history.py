"""The history of a thread before a command, read from both forges."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.domain.event import Commented
from bot.domain.thread import Actor, Kind, PartKind, ReplyTarget, Thread
from bot.forges.forge import Forge
from bot.forges.github.adapter import GitHub
from bot.forges.gitlab.adapter import GitLab
from bot.forges.gitlab.thread_history import before
from tests.support.playground_clones import push_commit
from tests.support.playground_github import Playground
from tests.support.playground_gitlab import GitLabPlayground
from tests.support.scripted_server import Response, Server

AT = datetime(2026, 11, 23, 8, 0, 0, tzinfo=UTC)
BEFORE, AFTER = "2026-11-23T07:59:00Z", "2026-11-23T08:00:01Z"


def command(
    thread: Thread, cause: str = "comment:99", *, at: datetime = AT, internal: bool = False
) -> Commented:
    ann, reply_target = Actor(id=7, login="ann"), ReplyTarget(internal=internal)
    return Commented(
        cause=cause, thread=thread, actor=ann, at=at, context=(), reply_target=reply_target, body="/run"
    )


def a_thread(forge: str, kind: Kind = Kind.ISSUE) -> Thread:
    url = f"https://{forge}.com/acme/anvil"
    return Thread(forge=forge, repository_id=7, repository_url=url, path="acme/anvil", kind=kind, number=1)


def in_two_seconds() -> datetime:
    return datetime.now(UTC) + timedelta(seconds=2)


def history(forge: Forge, at: Commented) -> list[tuple[PartKind, str, str]]:
    """Return kind, author and text of each part; for a comment on lines, the text begins with its hunk."""
    parts = []
    for part in forge.history_before(at):
        excerpt = part.excerpt
        lines = f"{excerpt.path}:{excerpt.line} {excerpt.hunk!r} " if excerpt else ""
        parts.append((part.kind, part.author, f"{lines}{part.text}"))
    return parts


def test_on_github_the_history_has_comments_reviews_and_comments_on_lines(tmp_path: Path) -> None:
    with Playground(tmp_path) as playground:
        push_commit(playground, "topic")
        number = playground.open_pull("Mine", head="topic")
        playground.comment(number, "First.")
        playground.comment(number, "Task `t1` is next in the queue.", as_="bot")
        playground.review(number, "Not yet.")
        playground.inline_comment(number, "notes.txt", 1, "Why?")
        own = playground.comment(number, "/run")
        thread = replace(
            a_thread("github", Kind.CHANGE), repository_id=playground.repository_id, number=number
        )
        forge = GitHub(url=playground.api_url, token=playground.token)

        parts = history(forge, command(thread, f"comment:{own}", at=in_two_seconds()))

    assert sorted(parts) == [
        (PartKind.COMMENT, "ann", "First."),
        (PartKind.LINES_COMMENT, "ann", "notes.txt:1 '@@ -0,0 +1 @@\\n+more' Why?"),
        (PartKind.REVIEW, "ann", "Not yet."),
    ]


def test_on_gitlab_the_history_has_internal_notes_only_for_members(tmp_path: Path) -> None:
    with GitLabPlayground(tmp_path) as playground:
        push_commit(playground, "topic")
        number = playground.open_pull("Mine", head="topic")
        playground.comment(number, "First.")
        playground.comment(number, "Among us.", internal=True)
        playground.comment(number, "Task `t1` is next in the queue.", as_="bot")
        playground.inline_comment(number, "notes.txt", 1, "Why?")
        own = playground.comment(number, "/run")
        thread = replace(
            a_thread("gitlab", Kind.CHANGE), repository_id=playground.repository_id, number=int(number)
        )
        forge = GitLab(url=playground.api_url, token=playground.token)

        parts = history(forge, command(thread, f"comment:{own}", at=in_two_seconds()))
        inside = history(forge, command(thread, f"comment:{own}", at=in_two_seconds(), internal=True))

    assert parts == [
        (PartKind.COMMENT, "ann", "First."),
        (PartKind.LINES_COMMENT, "ann", "notes.txt:1 '' Why?"),
    ]
    assert inside == [parts[0], (PartKind.COMMENT, "ann", "Among us."), parts[1]]


def comment_json(body: str, created: str = BEFORE, updated: str = BEFORE, **more: Any) -> dict[str, Any]:
    """Return a comment with the fields of both forges that the adapters read."""
    who = {"id": 8, "login": "ben", "username": "ben"}
    told = {"id": 1, "body": body, "user": who, "author": who, "created_at": created, "updated_at": updated}
    return {**told, **more}


ROWS = [
    comment_json("stands"),
    comment_json("came later", AFTER, AFTER),
    comment_json("was edited since", BEFORE, AFTER),
]


def test_on_github_comments_written_or_edited_after_the_command_are_left_out(server: Server) -> None:
    me = {"id": 1, "login": "forgehand", "type": "User"}
    server.script = [Response(200, me), Response(200, [*ROWS, comment_json("by nobody any more", user=None)])]

    parts = history(GitHub(url=server.url, token="t"), command(a_thread("github")))

    assert parts == [(PartKind.COMMENT, "ben", "stands"), (PartKind.COMMENT, "", "by nobody any more")]


def test_on_gitlab_notes_written_or_edited_after_the_command_are_left_out(server: Server) -> None:
    server.script = [Response(200, ROWS), Response(200, {"id": 1, "username": "forgehand"})]
    server.script.reverse()

    parts = history(GitLab(url=server.url, token="t"), command(a_thread("gitlab")))

    assert parts == [(PartKind.COMMENT, "ben", "stands")]


def test_on_github_the_history_of_a_review_has_its_comments_on_lines_but_no_unsent_reviews(
    server: Server,
) -> None:
    lines = {"path": "a.py", "line": 1, "diff_hunk": "@@ -1 +1 @@\n+a", "pull_request_review_id": 5}
    server.script = [
        Response(200, {"id": 1, "login": "forgehand", "type": "User"}),
        Response(200, []),
        Response(
            200,
            [
                comment_json("/run as I say", id=5, state="COMMENTED", submitted_at=BEFORE),
                comment_json("", id=6, state="APPROVED", submitted_at=BEFORE),
                comment_json("being written", id=7, state="PENDING"),
                comment_json("later", id=8, state="COMMENTED", submitted_at=AFTER),
            ],
        ),
        Response(
            200,
            [
                comment_json("Why?", BEFORE, AFTER, **lines),
                comment_json("Since.", BEFORE, AFTER, **{**lines, "pull_request_review_id": 9}),
            ],
        ),
    ]

    parts = history(GitHub(url=server.url, token="t"), command(a_thread("github", Kind.CHANGE), "review:5"))

    assert parts == [
        (PartKind.REVIEW, "ben", "(approved)"),
        (PartKind.LINES_COMMENT, "ben", "a.py:1 '@@ -1 +1 @@\\n+a' Why?"),
    ]


@pytest.mark.parametrize("field", ["internal", "confidential"])
@pytest.mark.parametrize(("value", "is_shown"), [(False, True), (None, True), (True, False), ("yes", False)])
def test_a_note_that_may_be_internal_is_only_in_the_history_for_members(
    field: str, value: object, *, is_shown: bool
) -> None:
    note = {"id": 3, "body": "Among us.", "author": {"id": 7}, "created_at": BEFORE, "updated_at": BEFORE}
    event, me = command(a_thread("gitlab")), Actor(id=1, login="forgehand")

    parts = before([{**note, field: value}], event, me)

    assert [part.text for part in parts] == (["Among us."] if is_shown else [])
    for_members = replace(event, reply_target=ReplyTarget(internal=True))
    assert [part.text for part in before([{**note, field: value}], for_members, me)] == ["Among us."]
