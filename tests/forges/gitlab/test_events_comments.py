"""The events in comments, in the formats of GitLab's documentation and of old versions."""

from datetime import UTC, datetime
from typing import Any

import pytest

from bot.domain.event import Commented
from bot.domain.thread import Actor, DiffExcerpt, Kind, Part, PartKind, ReplyTarget
from tests.forges.gitlab.hook_payloads import (
    ROOT,
    Payload,
    note_on,
    note_on_change,
    note_on_issue,
    parse,
    raw,
    read,
    thread,
)


def test_a_new_comment_on_an_issue_is_a_commented_event() -> None:
    assert read("Note Hook", note_on_issue()) == Commented(
        cause="comment:1241",
        thread=thread(Kind.ISSUE, 17, "test"),
        actor=ROOT,
        at=datetime(2015, 5, 17, 17, 6, 40, tzinfo=UTC),
        context=(
            Part(
                kind=PartKind.THREAD,
                text="test\n\nDo it.",
                author="root",
                at="2015-04-12 14:53:17 UTC",
            ),
        ),
        reply_target=ReplyTarget(comment_id=1241),
        body="/run tidy",
    )


def test_a_new_comment_on_a_merge_request_has_its_head_and_no_name_of_its_author() -> None:
    event = read("Note Hook", note_on_change())

    assert event.thread == thread(Kind.CHANGE, 1, "Tempora")
    assert event.head == "562e173be03b8ff2efb05345d12df18815438a4b"
    assert event.context[0].author == ""


def test_a_comment_on_a_merge_request_from_a_fork_belongs_to_the_target_project() -> None:
    payload = note_on_change()
    payload["merge_request"]["source_project_id"] = 99

    assert read("Note Hook", payload).thread == thread(Kind.CHANGE, 1, "Tempora")


def test_a_comment_without_an_action_as_before_gitlab_16_11_is_read() -> None:
    payload = note_on_issue()
    del payload["object_attributes"]["action"]

    assert read("Note Hook", payload).body == "/run tidy"


def test_a_user_without_an_id_has_the_id_of_the_author() -> None:
    payload = note_on_issue(author_id=8)
    del payload["user"]["id"]

    assert read("Note Hook", payload).actor == Actor(id=8, login="root")


def test_a_comment_by_another_user_than_its_author_is_refused() -> None:
    with pytest.raises(ValueError, match="author_id"):
        parse("Note Hook", raw(note_on_issue(author_id=8)))


@pytest.mark.parametrize("kind", ["Commit", "Snippet", "Epic", "WikiPage::Meta", "DesignManagement::Design"])
def test_a_comment_on_neither_an_issue_nor_a_merge_request_is_not_an_event(kind: str) -> None:
    assert parse("Note Hook", raw(note_on(kind, {"id": "cfe32cf6"}))) == []


@pytest.mark.parametrize(
    "attributes", [{"action": "update"}, {"action": "delete"}, {"system": True}], ids=str
)
def test_edits_and_system_notes_are_not_events(attributes: Payload) -> None:
    assert parse("Note Hook", raw(note_on_change(**attributes))) == []


@pytest.mark.parametrize(
    ("login", "bot"),
    [
        ("project_5_bot", True),
        ("project_5_bot12", True),
        ("group_77_bot_3f9e0c", True),
        ("service_account_group_345_c4687", True),
        ("service_account_8e", True),
        ("project_x_bot", False),
        ("my_project_5_bot", False),
        ("robot", False),
    ],
)
def test_a_bot_is_recognized_by_the_form_of_its_login(login: str, *, bot: bool) -> None:
    payload = note_on_issue()
    payload["user"]["username"] = login

    assert read("Note Hook", payload).actor.bot is bot


@pytest.mark.parametrize(
    ("kind", "discussion"), [("DiffNote", "d1"), ("DiscussionNote", "d1"), (None, ""), ("LegacyDiffNote", "")]
)
def test_only_a_comment_in_a_discussion_is_answered_in_one(kind: str | None, discussion: str) -> None:
    assert read("Note Hook", note_on_change(type=kind)).reply_target == ReplyTarget(
        comment_id=1241, discussion=discussion
    )


def test_a_comment_on_a_line_has_an_excerpt_with_that_line() -> None:
    position = {"new_path": "a.py", "old_path": "b.py", "new_line": 7, "old_line": 5, "position_type": "text"}
    diff = {"diff": "--- a/six\n+++ b/six\n@@ -0,0 +1 @@\n+Subproject", "new_path": "six"}
    event = read("Note Hook", note_on_change(type="DiffNote", position=position, st_diff=diff))

    lines, about = event.context
    assert lines.excerpt == DiffExcerpt(path="a.py", line=7, hunk=diff["diff"])
    assert about.text == "Tempora"


@pytest.mark.parametrize(
    ("position", "text"),
    [
        ({"new_path": "a.py", "old_path": "b.py", "new_line": 7}, "a.py, line 7"),
        ({"new_path": "a.py", "old_path": "b.py", "old_line": 5}, "b.py (line 5 before this change)"),
        ({"new_path": "a.png", "old_path": "a.png", "position_type": "image", "x": 3}, "a.png"),
        ({"new_path": "a.py", "old_path": "a.py", "position_type": "file", "new_line": None}, "a.py"),
    ],
)
def test_a_removed_line_and_a_whole_file_are_distinguished(position: Payload, text: str) -> None:
    event = read("Note Hook", note_on_change(type="DiffNote", position=position))

    excerpt = event.context[0].excerpt
    assert excerpt is not None
    assert (excerpt.path if excerpt.line is None else f"{excerpt.path}, line {excerpt.line}") == text


def test_a_reply_on_the_diff_without_a_position_has_no_excerpt() -> None:
    assert len(read("Note Hook", note_on_change(type="DiffNote", position=None)).context) == 1


def test_a_confidential_issue_makes_its_thread_confidential() -> None:
    payload = note_on_issue()
    payload["issue"]["confidential"] = True
    payload["event_type"] = "confidential_note"

    event = read("Confidential Note Hook", payload)

    assert event.thread.confidential
    assert not event.reply_target.internal


@pytest.mark.parametrize("note", [note_on_issue, note_on_change])
def test_an_internal_comment_is_answered_internally(note: Any) -> None:
    event = read("Confidential Note Hook", note(internal=True))

    assert event.reply_target.internal
    assert not event.thread.confidential


@pytest.mark.parametrize(
    ("event", "kind"), [("Confidential Note Hook", "note"), ("Note Hook", "confidential_note")]
)
@pytest.mark.parametrize("note", [note_on_issue, note_on_change])
def test_a_comment_is_internal_if_only_its_event_is_confidential(event: str, kind: str, note: Any) -> None:
    payload = {**note(), "event_type": kind}

    assert read(event, payload).reply_target.internal


def test_a_confidential_comment_of_an_old_gitlab_without_the_field_internal_is_internal() -> None:
    payload = note_on_issue()
    del payload["issue"]["confidential"], payload["event_type"]

    assert read("Confidential Note Hook", payload).reply_target.internal


@pytest.mark.parametrize("odd", [True, "true", 1, {}])
@pytest.mark.parametrize("field", ["internal", "confidential"])
def test_a_comment_is_internal_if_its_own_fields_say_so_or_may_say_so(field: str, odd: object) -> None:
    event = read("Note Hook", note_on_issue(**{field: odd}))

    assert event.reply_target.internal
    assert not event.thread.confidential


@pytest.mark.parametrize("odd", [True, "true", 1, {}])
def test_a_comment_on_an_issue_that_may_be_confidential_has_a_confidential_thread(odd: object) -> None:
    payload = note_on_issue()
    payload["issue"]["confidential"] = odd

    assert read("Note Hook", payload).thread.confidential


@pytest.mark.parametrize(
    ("event", "kind"), [("Confidential Note Hook", "note"), ("Note Hook", "confidential_note")]
)
def test_a_hidden_comment_on_an_issue_without_the_field_is_confidential_in_doubt(
    event: str, kind: str
) -> None:
    payload = {**note_on_issue(), "event_type": kind}
    del payload["issue"]["confidential"]

    read_event = read(event, payload)

    assert read_event.thread.confidential
    assert read_event.reply_target.internal


@pytest.mark.parametrize("note", [note_on_issue, note_on_change])
def test_a_comment_is_public_if_no_field_says_otherwise(note: Any) -> None:
    event = read("Note Hook", note(internal=False, confidential=None))

    assert not event.thread.confidential
    assert not event.reply_target.internal
