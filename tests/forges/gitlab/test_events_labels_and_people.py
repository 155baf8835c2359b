"""The events in changes of labels, assignees and reviewers."""

from datetime import UTC, datetime

import pytest

from bot.domain.event import Assigned, Labelled
from bot.domain.thread import Kind, Part, PartKind
from tests.forges.gitlab.hook_payloads import (
    ANN,
    API,
    BOB,
    PLATFORM,
    ROOT,
    Payload,
    changes_hook,
    note_on_issue,
    parse,
    raw,
    read,
    thread,
)


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


ADDED = {"labels": {"previous": [], "current": [API]}}
ASSIGNED = {"assignees": {"previous": [], "current": [ANN]}}
SAYS_CONFIDENTIAL: list[tuple[str, Payload]] = [
    ("Confidential Issue Hook", {}),
    ("Issue Hook", {"event_type": "confidential_issue"}),
    ("Issue Hook", {"event_type": "confidential_work_item"}),
    ("Issue Hook", {"confidential": True}),
    ("Issue Hook", {"confidential": "true"}),
    ("Issue Hook", {"confidential": 1}),
    ("Issue Hook", {"confidential": "unknown"}),
    ("Issue Hook", {"changed": {"previous": False, "current": True}}),
]


@pytest.mark.parametrize("changes", [ADDED, ASSIGNED], ids=["label", "assignment"])
@pytest.mark.parametrize(("event", "facts"), SAYS_CONFIDENTIAL)
@pytest.mark.parametrize("missing", [None, "confidential", "event_type"])
def test_an_issue_is_confidential_if_any_field_says_so(
    event: str, facts: Payload, changes: Payload, missing: str | None
) -> None:
    changed = {"confidential": facts["changed"]} if "changed" in facts else {}
    payload = changes_hook("issue", {**changes, **changed})
    payload["object_attributes"]["confidential"] = facts.get("confidential", False)
    payload["event_type"] = facts.get("event_type", "issue")
    if missing and missing not in facts:
        payload.pop(missing, None)
        payload["object_attributes"].pop(missing, None)

    assert read(event, payload).thread.confidential


@pytest.mark.parametrize("confidential", [False, None])
@pytest.mark.parametrize("changed", [{}, {"confidential": {"previous": True, "current": False}}])
def test_an_issue_is_public_if_no_field_says_otherwise(
    *, confidential: bool | None, changed: Payload
) -> None:
    payload = changes_hook("issue", {**ADDED, **changed}, confidential=confidential)

    assert not read("Issue Hook", payload).thread.confidential


def test_every_event_of_a_new_confidential_issue_is_confidential() -> None:
    payload = changes_hook("issue", {}, action="open", reviewer_ids=[6])

    events = parse("Confidential Issue Hook", raw(payload))

    assert [event.thread.confidential for event in events] == [True, True, True]


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
