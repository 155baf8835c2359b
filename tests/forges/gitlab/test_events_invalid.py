"""Invalid and unusual values in deliveries: an error that names the field, or no event."""

from datetime import UTC, datetime

import pytest

from tests.forges.gitlab.hook_payloads import (
    API,
    PROJECT,
    changes_hook,
    note_on_change,
    note_on_issue,
    parse,
    raw,
    read,
)
from tests.forges.odd_values import NO_LOGINS, NO_TIMES, OUT_OF_RANGE


@pytest.mark.parametrize("wrong", OUT_OF_RANGE)
@pytest.mark.parametrize(
    "field", ["object_attributes.id", "object_attributes.author_id", "user.id", "project.id", "issue.iid"]
)
def test_a_number_that_the_ledger_cannot_store_is_named_in_the_error(field: str, wrong: object) -> None:
    payload = note_on_issue()
    parent, last = field.split(".")
    payload[parent][last] = wrong

    with pytest.raises(ValueError, match=field):
        parse("Note Hook", raw(payload))


@pytest.mark.parametrize("wrong", OUT_OF_RANGE)
@pytest.mark.parametrize("field", ["assignees", "reviewers"])
def test_an_assignee_or_a_reviewer_with_an_invalid_id_is_refused(field: str, wrong: object) -> None:
    payload = changes_hook("merge_request", {field: {"previous": [], "current": [{"id": wrong}]}})

    with pytest.raises(ValueError, match="id"):
        parse("Merge Request Hook", raw(payload))


@pytest.mark.parametrize("wrong", [each for each in OUT_OF_RANGE if each != 0])
@pytest.mark.parametrize("field", ["new_line", "old_line"])
def test_an_invalid_line_number_of_a_comment_is_named_in_the_error(field: str, wrong: object) -> None:
    payload = note_on_change(type="DiffNote", position={"new_path": "a.py", "old_path": "a.py", field: wrong})

    with pytest.raises(ValueError, match=field):
        parse("Note Hook", raw(payload))


@pytest.mark.parametrize("wrong", ["../../7/notes", "a/b", "a b", "%2e", "d\0", "d" * 256, 7, ["d1"]])
def test_an_invalid_discussion_id_is_named_in_the_error(wrong: object) -> None:
    with pytest.raises(ValueError, match="discussion_id"):
        parse("Note Hook", raw(note_on_change(type="DiffNote", discussion_id=wrong)))


@pytest.mark.parametrize("login", NO_LOGINS)
def test_an_invalid_login_is_named_in_the_error(login: str) -> None:
    payload = note_on_issue()
    payload["user"]["username"] = login

    with pytest.raises(ValueError, match=r"user\.username"):
        parse("Note Hook", raw(payload))


def test_the_field_of_a_label_that_is_too_long_is_named_in_the_error() -> None:
    labels = {"previous": [], "current": [{**API, "title": "é" * 256}]}

    with pytest.raises(ValueError, match="title"):
        parse("Issue Hook", raw(changes_hook("issue", {"labels": labels})))


def test_nul_is_removed_from_comments_and_titles() -> None:
    payload = note_on_issue(note="/run\0 tidy 😀")
    payload["issue"]["title"] = "a\0b"

    event = read("Note Hook", payload)

    assert (event.body, event.thread.title) == ("/run tidy 😀", "ab")


@pytest.mark.parametrize(
    "time",
    [
        "2015-05-17 17:06:40 UTC",
        "2015-05-17T17:06:40Z",
        "2015-05-17T17:06:40.000Z",
        "2015-05-17T19:06:40+02:00",
    ],
)
def test_each_time_format_of_gitlab_is_read(time: str) -> None:
    at = read("Note Hook", note_on_issue(created_at=time)).at

    assert at == datetime(2015, 5, 17, 17, 6, 40, tzinfo=UTC)


@pytest.mark.parametrize("time", [*NO_TIMES, "yesterday", "2015-05-17 17:06:40", "2015-05-17 17:06:40 CET"])
def test_an_invalid_time_is_named_in_the_error(time: str) -> None:
    with pytest.raises(ValueError, match=r"object_attributes\.created_at"):
        parse("Note Hook", raw(note_on_issue(created_at=time)))


@pytest.mark.parametrize(
    "field",
    [
        "object_kind",
        "object_attributes.id",
        "object_attributes.note",
        "object_attributes.noteable_type",
        "object_attributes.created_at",
        "object_attributes",
        "user.username",
        "user",
        "project.id",
        "project.path_with_namespace",
        "issue.iid",
        "issue",
    ],
)
@pytest.mark.parametrize("wrong", [None, True, [], {}])
def test_an_invalid_required_field_is_named_in_the_error(field: str, wrong: object) -> None:
    payload = note_on_issue()
    *path, last = field.split(".")
    parent = payload
    for name in path:
        parent = parent[name]
    parent[last] = wrong

    with pytest.raises(ValueError, match=field):
        parse("Note Hook", raw(payload))


@pytest.mark.parametrize(
    "odd", [None, [], "x", {"previous": None}, {"current": {}}, {"current": [None, 7, "x"]}]
)
@pytest.mark.parametrize("name", ["labels", "assignees", "reviewers"])
def test_invalid_changes_are_ignored(odd: object, name: str) -> None:
    assert parse("Issue Hook", raw(changes_hook("issue", {name: odd}))) == []


@pytest.mark.parametrize(
    "body", [b"", b"{", b"\xff", b"[]", b"NaN", b'{"object_kind": "\\ud800 alone"}', b"[" * 10_000]
)
def test_a_body_that_cannot_be_read_is_a_value_error(body: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - in the parser's own words
        parse("Note Hook", body)


@pytest.mark.parametrize("event", ["Push Hook", "System Hook", "Emoji Hook", "note", ""])
def test_an_event_that_the_bot_does_not_use_is_not_read(event: str) -> None:
    assert parse(event, b"not json") == []


def test_a_delivery_with_another_kind_of_object_is_not_an_event() -> None:
    assert parse("Note Hook", raw({"object_kind": "emoji", "project": PROJECT})) == []
