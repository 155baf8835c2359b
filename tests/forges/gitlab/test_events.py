"""The events in the deliveries of GitLab, in the formats of its documentation and of old versions."""

import json
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest

from bot.domain.event import Assigned, Commented, Labelled
from bot.domain.thread import Actor, DiffExcerpt, Kind, Part, PartKind, ReplyTarget, Thread
from bot.forges.gitlab import events
from tests.forges.odd_values import NO_FULL_NAMES, NO_LOGINS, NO_TIMES, OTHER_ADDRESSES, OUT_OF_RANGE

Payload = dict[str, Any]

WEB = "http://example.com"
parse = partial(events.parse, web=WEB)

ROOT = Actor(id=1, login="root")
USER = {"id": 1, "name": "Administrator", "username": "root", "email": "admin@example.com"}
PROJECT = {
    "id": 5,
    "name": "Gitlab Test",
    "web_url": "http://example.com/gitlab-org/gitlab-test",
    "namespace": "Gitlab Org",
    "path_with_namespace": "gitlab-org/gitlab-test",
    "default_branch": "master",
}
API = {"id": 206, "title": "API", "type": "ProjectLabel"}
PLATFORM = {"id": 205, "title": "Platform", "type": "ProjectLabel"}
ANN = {"id": 6, "name": "User1", "username": "user1"}
BOB = {"id": 51, "name": "User2", "username": "user2"}


def note_on(subject: str, about: Payload, /, **attributes: Any) -> Payload:
    """Return a Note Hook, as documented."""
    return {
        "object_kind": "note",
        "event_type": "note",
        "user": dict(USER),
        "project_id": 5,
        "project": dict(PROJECT),
        "object_attributes": {
            "id": 1241,
            "note": "/run tidy",
            "noteable_type": {"issue": "Issue", "merge_request": "MergeRequest"}.get(subject, subject),
            "author_id": 1,
            "created_at": "2015-05-17 17:06:40 UTC",
            "updated_at": "2015-05-17 17:06:40 UTC",
            "discussion_id": "d1",
            "type": None,
            "system": False,
            "st_diff": None,
            "action": "create",
            **attributes,
        },
        subject: about,
    }


def note_on_issue(**attributes: Any) -> Payload:
    about = {"id": 92, "iid": 17, "title": "test", "author_id": 1, "description": "Do it.", "state": "closed"}
    about |= {"created_at": "2015-04-12 14:53:17 UTC", "confidential": False}
    return note_on("issue", about, **attributes)


def note_on_change(**attributes: Any) -> Payload:
    about = {"id": 7, "iid": 1, "title": "Tempora", "author_id": 8, "description": None, "state": "opened"}
    about |= {"source_project_id": 5, "target_project_id": 5, "created_at": "2015-03-01 20:12:53 UTC"}
    about |= {"last_commit": {"id": "562e173be03b8ff2efb05345d12df18815438a4b", "title": "Merge"}}
    return note_on("merge_request", about, **attributes)


def changes_hook(kind: str, changes: Payload, /, action: str = "update", **attributes: Any) -> Payload:
    """Return an Issue Hook or a Merge Request Hook, as documented."""
    return {
        "object_kind": kind,
        "event_type": kind,
        "user": dict(USER),
        "project": dict(PROJECT),
        "object_attributes": {
            "id": 301,
            "iid": 23,
            "title": "New API",
            "author_id": 51,
            "description": "Create new API",
            "created_at": "2013-12-03T17:15:43Z",
            "updated_at": "2017-09-15 16:52:00 UTC",
            "assignee_ids": [51],
            "confidential": False,
            "action": action,
            **attributes,
        },
        "labels": [API],
        "assignees": [BOB],
        "changes": {"updated_by_id": {"previous": None, "current": 1}, **changes},
    }


def raw(payload: object) -> bytes:
    return json.dumps(payload).encode()


def read(event: str, payload: Payload) -> Any:
    (one,) = parse(event, raw(payload))
    return one


def thread(kind: Kind, number: int, title: str) -> Thread:
    return Thread(
        forge="gitlab",
        repository_id=5,
        repository_url="http://example.com/gitlab-org/gitlab-test",
        path="gitlab-org/gitlab-test",
        kind=kind,
        number=number,
        title=title,
    )


# Comments


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


# The place of a comment


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


# Labels and people


def test_an_added_label_is_a_labelled_event() -> None:
    payload = changes_hook("issue", {"labels": {"previous": [API], "current": [API, PLATFORM]}})

    event = read("Issue Hook", payload)

    assert event == Labelled(
        cause="label:issue/23:Platform:2017-09-15T16:52:00Z",
        thread=thread(Kind.ISSUE, 23, "New API"),
        actor=ROOT,
        at=datetime(2017, 9, 15, 16, 52, tzinfo=UTC),
        context=(
            Part(
                kind=PartKind.THREAD,
                text="New API\n\nCreate new API",
                at="2013-12-03T17:15:43Z",
            ),
        ),
        label="Platform",
    )


def test_a_label_on_a_merge_request_belongs_to_a_change() -> None:
    payload = changes_hook(
        "merge_request", {"labels": {"previous": [], "current": [API]}}, last_commit={"id": "da1560"}
    )

    event = read("Merge Request Hook", payload)

    assert event.cause.startswith("label:change/23:API:")
    assert (event.thread.kind, event.head) == (Kind.CHANGE, "da1560")


def test_a_merge_request_without_commits_has_no_head() -> None:
    payload = changes_hook("merge_request", {"labels": {"previous": [], "current": [API]}}, last_commit=None)

    assert read("Merge Request Hook", payload).head == ""


def test_a_renamed_label_is_not_a_new_label() -> None:
    payload = changes_hook("issue", {"labels": {"previous": [API], "current": [{**API, "title": "REST"}]}})

    assert parse("Issue Hook", raw(payload)) == []


def test_two_labels_in_one_delivery_have_two_idempotency_keys() -> None:
    payload = changes_hook("issue", {"labels": {"previous": [], "current": [API, PLATFORM]}})

    events = parse("Issue Hook", raw(payload))

    assert [event.label for event in events if isinstance(event, Labelled)] == ["API", "Platform"]
    assert len({event.cause for event in events}) == 2


@pytest.mark.parametrize("action", ["close", "reopen", "update", "approved", "merge"])
@pytest.mark.parametrize("kind", ["Issue Hook", "Merge Request Hook"])
def test_labels_and_people_from_before_the_delivery_are_not_events(action: str, kind: str) -> None:
    payload = changes_hook("issue" if kind == "Issue Hook" else "merge_request", {}, action=action)

    assert parse(kind, raw(payload)) == []


def test_labels_and_assignees_of_a_new_issue_are_events() -> None:
    payload = changes_hook("issue", {}, action="open", updated_at="2013-12-03T17:15:43Z")

    label, assigned = parse("Issue Hook", raw(payload))

    assert isinstance(label, Labelled)
    assert label.cause == "label:issue/23:API:2013-12-03T17:15:43Z"
    assert isinstance(assigned, Assigned)
    assert (assigned.cause, assigned.assignee_id) == ("assigned:issue/23:2013-12-03T17:15:43Z", 51)


def test_a_new_issue_with_changes_has_only_the_labels_in_the_changes() -> None:
    """The example in GitLab's documentation is such a delivery."""
    payload = changes_hook(
        "issue",
        {"labels": {"previous": [API], "current": [PLATFORM]}, "assignees": {"previous": [], "current": []}},
        action="open",
    )

    assert [event.label for event in parse("Issue Hook", raw(payload)) if isinstance(event, Labelled)] == [
        "Platform"
    ]


def test_reviewers_are_distinguished_from_assignees() -> None:
    payload = changes_hook(
        "merge_request",
        {
            "assignees": {"previous": [BOB], "current": [BOB, ANN]},
            "reviewers": {"previous": [], "current": [{**BOB, "state": "unreviewed"}]},
        },
    )

    events = parse("Merge Request Hook", raw(payload))

    assert [(event.assignee_id, event.review) for event in events if isinstance(event, Assigned)] == [
        (6, False),
        (51, True),
    ]
    assert [event.cause for event in events] == [
        "assigned:change/23:2017-09-15 16:52:00 UTC",
        "review-requested:change/23:2017-09-15 16:52:00 UTC",
    ]


def test_a_reviewer_of_a_new_merge_request_is_a_request_for_a_review() -> None:
    payload = changes_hook("merge_request", {}, action="open", reviewer_ids=[6], assignee_ids=[])
    payload |= {"labels": [], "assignees": []}

    event = read("Merge Request Hook", payload)

    assert (event.assignee_id, event.review) == (6, True)


def test_a_review_that_is_requested_again_is_a_request() -> None:
    again = {
        "previous": [ANN, BOB],
        "current": [{**ANN, "re_requested": True}, {**BOB, "re_requested": False}],
    }

    assert read("Merge Request Hook", changes_hook("merge_request", {"reviewers": again})).assignee_id == 6


def test_people_without_ids_are_ignored() -> None:
    added = {"previous": [], "current": [{"name": "User1", "username": "user1"}]}

    assert parse("Issue Hook", raw(changes_hook("issue", {"assignees": added}))) == []


def test_a_project_hook_and_a_group_hook_for_one_action_have_the_same_idempotency_keys() -> None:
    act = {"labels": {"previous": [], "current": [API]}, "assignees": {"previous": [], "current": [ANN]}}
    for event, payload in [
        ("Note Hook", note_on_issue()),
        ("Issue Hook", changes_hook("issue", act)),
        ("Merge Request Hook", changes_hook("merge_request", act)),
    ]:
        of_project, of_group = parse(event, raw(payload)), parse(event, raw({**payload, "group": {"id": 2}}))
        assert [one.cause for one in of_project] == [one.cause for one in of_group] != []


def test_a_confidential_issue_hook_has_a_confidential_thread() -> None:
    labels = {"labels": {"previous": [], "current": [API]}}
    payload = {**changes_hook("issue", labels, confidential=True), "event_type": "confidential_issue"}

    assert read("Confidential Issue Hook", payload).thread.confidential


def test_an_incident_is_an_issue() -> None:
    payload = changes_hook("work_item", {"labels": {"previous": [], "current": [API]}}, type="Incident")

    assert read("Issue Hook", payload).thread.kind is Kind.ISSUE


def test_an_epic_without_a_project_is_not_an_event() -> None:
    payload = {**changes_hook("work_item", {}, action="open", type="Epic"), "project": None}

    assert parse("Issue Hook", raw(payload)) == []


def test_a_change_of_an_issue_without_the_id_of_its_user_is_refused() -> None:
    payload = changes_hook("issue", {"labels": {"previous": [], "current": [API]}})
    del payload["user"]["id"]

    with pytest.raises(ValueError, match=r"user\.id"):
        parse("Issue Hook", raw(payload))


# Invalid deliveries


def every_kind() -> list[tuple[str, Payload]]:
    """Return a delivery of each kind that the bot reads."""
    act = {"labels": {"previous": [], "current": [API]}, "assignees": {"previous": [], "current": [ANN]}}
    return [
        ("Note Hook", note_on_issue()),
        ("Confidential Note Hook", note_on_change()),
        ("Issue Hook", changes_hook("issue", act)),
        ("Confidential Issue Hook", changes_hook("work_item", act)),
        ("Merge Request Hook", changes_hook("merge_request", act)),
    ]


@pytest.mark.parametrize("url", [*OTHER_ADDRESSES, None, 7])
@pytest.mark.parametrize(
    "field", ["web_url", "git_http_url", "http_url", "git_ssh_url", "ssh_url", "homepage", "url"]
)
def test_the_address_of_a_repository_comes_from_the_settings_and_not_from_the_delivery(
    url: object, field: str
) -> None:
    for event, payload in every_kind():
        payload["project"][field] = url
        payload["repository"] = {"url": url, "homepage": url}

        for said in events.parse(event, raw(payload), "https://git.example.org:8443/gitlab"):
            address = said.thread.repository_url
            assert address == "https://git.example.org:8443/gitlab/gitlab-org/gitlab-test"


@pytest.mark.parametrize("name", [*NO_FULL_NAMES, "acme/-/anvil", "acme/-", "-/anvil", "/".join(["a"] * 22)])
def test_the_field_of_an_invalid_full_name_is_named_in_the_error(name: object) -> None:
    for event, payload in every_kind():
        payload["project"]["path_with_namespace"] = name

        with pytest.raises(ValueError, match=r"project\.path_with_namespace"):
            parse(event, raw(payload))


@pytest.mark.parametrize(
    "name",
    [
        "acme/deep/er/anvil",
        "/".join(["a"] * 21),
        "_acme.x/-anvil_-.y",
        "acme/.profile",
        "группа/проект",
        "équipe/café",
        "e\u0301quipe/हिन्दी",
        "日本/鉄床",
    ],
)
def test_an_unusual_full_name_is_read(name: str) -> None:
    payload = note_on_issue()
    payload["project"]["path_with_namespace"] = name

    thread = read("Note Hook", payload).thread

    assert (thread.path, thread.repository_url) == (name, f"{WEB}/{name}")


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


@pytest.mark.parametrize("wrong", ["../../7/notes", "a/b", "a b", "%2e", "d" * 256, 7, ["d1"]])
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
