"""Comments of the adapter: internal ones, in discussions, and in many pages."""

import pytest

from bot.domain.errors import ForgeError
from bot.domain.thread import ReplyTarget, Thread
from bot.forges.gitlab.adapter import GitLab
from tests.forges.adapter_calls import HERE, MARKER, add_comments
from tests.forges.gitlab.scripted_project import ANVIL, CHANGE
from tests.support.playground_gitlab import GitLabPlayground
from tests.support.scripted_server import Response, Server


def test_an_internal_comment_is_answered_internally(
    forge: GitLab, playground: GitLabPlayground, thread: Thread
) -> None:
    inside = ReplyTarget(comment_id=playground.comment(1, "/run tidy", internal=True), internal=True)
    comment = forge.comment(thread, MARKER, inside)
    forge.edit_comment(thread, comment, f"Done. {MARKER}", inside)
    for _ in range(2):
        forge.react(thread, inside)

    assert playground.comments(1)[-1]["internal"] is True
    assert playground.reactions(inside.comment_id or 0) == ["eyes"]
    assert forge.find_comments(thread, MARKER, inside) == [comment]
    assert forge.comment(thread, "hello", HERE) == playground.comments(1)[-1]["id"]
    assert playground.comments(1)[-1]["internal"] is False


def test_a_comment_on_a_line_is_answered_in_its_discussion(
    forge: GitLab, playground: GitLabPlayground, change: Thread
) -> None:
    said = playground.inline_comment(change.number, "notes.txt", 1, "/run tidy this")
    reply_target = ReplyTarget(comment_id=said, discussion=playground.discussion(change.number, said)["id"])

    forge.react(change, reply_target)
    comment = forge.comment(change, MARKER, reply_target)
    forge.edit_comment(change, comment, f"Done. {MARKER}", reply_target)

    notes = playground.discussion(change.number, said)["notes"]
    assert [note["body"] for note in notes] == ["/run tidy this", f"Done. {MARKER}"]
    assert forge.find_comments(change, MARKER, reply_target) == [comment]
    assert playground.reactions(said) == ["eyes"]
    forge.delete_comment(change, comment, reply_target)
    assert forge.find_comments(change, MARKER, reply_target) == []


def test_comments_are_searched_in_the_three_newest_pages(scripted: GitLab, server: Server) -> None:
    def note(number: int, body: str = MARKER, author: int = 5) -> dict[str, object]:
        return {"id": number, "body": body, "author": {"id": author}}

    server.script = [
        Response(200, {"id": 5, "username": "forgehand"}),
        Response(200, [note(9), note(8, author=6)], {"X-Next-Page": "2"}),
        Response(200, [note(7, body="else")], {"X-Next-Page": "3"}),
        # A new comment has moved a comment from the previous page to this one.
        Response(200, [note(9), note(4)], {"X-Next-Page": "4"}),
    ]

    assert scripted.find_comments(ANVIL, MARKER, HERE) == [4, 9]
    assert [path.rpartition("&")[2] for _, path, _ in server.asked[1:]] == ["page=1", "page=2", "page=3"]


def test_comments_on_the_second_page_are_found(
    forge: GitLab, playground: GitLabPlayground, thread: Thread
) -> None:
    comments = [forge.comment(thread, MARKER, HERE) for _ in range(2)]
    add_comments(playground, 120)

    assert forge.find_comments(thread, MARKER, HERE) == comments


def test_a_comment_of_only_quick_actions_is_refused(forge: GitLab, thread: Thread) -> None:
    with pytest.raises(ForgeError, match="quick actions"):
        forge.comment(thread, "/close", HERE)


@pytest.mark.parametrize("answer", [{"commands_changes": {}, "summary": ["Closed."]}, {"id": None}, [], None])
@pytest.mark.parametrize("reply_target", [HERE, ReplyTarget(discussion="d1")])
def test_a_response_without_the_id_of_the_comment_is_an_error(
    scripted: GitLab, server: Server, answer: object, reply_target: ReplyTarget
) -> None:
    server.script = [Response(202, answer)]

    with pytest.raises(ForgeError):
        scripted.comment(CHANGE, "hello?", reply_target)


def test_a_comment_in_an_archived_repository_is_refused(
    forge: GitLab, playground: GitLabPlayground, thread: Thread
) -> None:
    playground.archive()

    with pytest.raises(ForgeError, match="403"):
        forge.comment(thread, "hello?", HERE)
