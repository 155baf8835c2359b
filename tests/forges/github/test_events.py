"""The events in the deliveries of GitHub, read from real ones."""

import json
from datetime import UTC, datetime

import pytest

from bot.domain.event import Assigned, Commented, Labelled
from bot.domain.thread import DiffExcerpt, Kind, Part, PartKind, ReplyTarget
from bot.forges.github.events import parse
from tests.forges.github.real_payloads import ANN, SAYS, read, real, thread
from tests.oracles.payloads import payloads


def test_a_new_comment_is_a_commented_event() -> None:
    event = read("issue_comment", real("issue_comment", "created"))

    assert event == Commented(
        cause="comment:492700400",
        thread=thread(Kind.ISSUE, 1, "Spelling error in the README file"),
        actor=ANN,
        at=datetime(2019, 5, 15, 15, 20, 21, tzinfo=UTC),
        context=(
            Part(
                kind=PartKind.THREAD,
                text="Spelling error in the README file\n\n"
                "It looks like you accidently spelled 'commit' with two 't's.",
                author="Codertocat",
                at="2019-05-15T15:20:18Z",
            ),
        ),
        reply_target=ReplyTarget(comment_id=492700400),
        body="You are totally right! I'll get this fixed right away.",
    )


def test_a_comment_on_a_pull_request_belongs_to_a_change() -> None:
    payload = real("issue_comment", "created")
    payload["issue"]["pull_request"] = {"url": "https://api.github.com/repos/acme/anvil/pulls/1"}

    assert read("issue_comment", payload).thread.kind is Kind.CHANGE


def test_a_label_on_an_issue_is_a_labelled_event() -> None:
    event = read("issues", real("issues", "labeled"))

    assert isinstance(event, Labelled)
    assert event.cause == "label:issue/1:bug:2019-05-15T15:20:18Z"
    assert event.thread == thread(Kind.ISSUE, 1, "Spelling error in the README file")
    assert (event.actor, event.label) == (ANN, "bug")
    assert event.at == datetime(2019, 5, 15, 15, 20, 18, tzinfo=UTC)


def test_a_label_on_a_pull_request_belongs_to_a_change() -> None:
    event = read("pull_request", real("pull_request", "labeled"))

    assert event.thread == thread(Kind.CHANGE, 2, "Update the README with new information.")
    assert event.cause.startswith("label:change/2:bug:")


def test_a_comment_on_lines_has_their_excerpt_and_is_answered_in_its_discussion() -> None:
    payload = real("pull_request_review_comment", "created")
    payload["comment"]["line"] = 1  # GitHub added the field after it made the example

    event = read("pull_request_review_comment", payload)

    assert isinstance(event, Commented)
    assert event.cause == "review-comment:284312630"
    assert event.thread == thread(Kind.CHANGE, 2, "Update the README with new information.")
    assert (event.actor, event.body) == (ANN, "Maybe you should use more emoji on this line.")
    assert event.reply_target == ReplyTarget(comment_id=284312630, discussion="284312630")
    assert event.head == "ec26c3e57ca3a959ca5aad62de7213c562f8c821"
    lines, about = event.context
    assert lines.excerpt == DiffExcerpt(path="README.md", line=1, hunk="@@ -1 +1 @@\n-# Hello-World")
    assert about.text.startswith("Update the README with new information.\n\nThis is a pretty simple change")


def test_a_reply_on_lines_belongs_to_the_discussion_of_the_first_comment() -> None:
    payload = real("pull_request_review_comment", "created")
    payload["comment"] |= {"in_reply_to_id": 77, "line": None, "original_line": None}

    event = read("pull_request_review_comment", payload)

    assert event.reply_target == ReplyTarget(comment_id=284312630, discussion="77")
    excerpt = event.context[0].excerpt
    assert excerpt is not None
    assert (excerpt.path, excerpt.line, excerpt.hunk[:2]) == ("README.md", None, "@@")


def test_a_review_is_a_comment_on_the_thread() -> None:
    payload = real("pull_request_review", "submitted")
    payload["review"]["body"] = "/run mend it"

    event = read("pull_request_review", payload)

    assert isinstance(event, Commented)
    assert event.cause == f"review:{payload['review']['id']}"
    assert (event.thread.kind, event.thread.number) == (Kind.CHANGE, 2)
    assert (event.actor, event.body, event.reply_target) == (ANN, "/run mend it", ReplyTarget())
    payload["review"]["body"] = None
    assert read("pull_request_review", payload).body == ""


def test_an_assignment_has_the_id_of_the_assignee() -> None:
    event = read("issues", real("issues", "assigned"))

    assert isinstance(event, Assigned)
    assert event.cause == "assigned:issue/1:2019-05-15T15:20:18Z"
    assert (event.actor, event.assignee_id, event.review) == (ANN, ANN.id, False)


def test_a_request_for_a_review_has_the_id_of_the_reviewer() -> None:
    payload = real("pull_request", "review_requested")

    event = read("pull_request", payload)

    assert isinstance(event, Assigned)
    assert event.cause == "review-requested:change/2:2019-05-15T15:20:33Z"
    assert (event.assignee_id, event.review) == (payload["requested_reviewer"]["id"], True)
    del payload["requested_reviewer"]
    assert parse("pull_request", json.dumps(payload).encode()) == []  # a review requested from a team


@pytest.mark.parametrize("number", range(len(payloads())))
def test_every_real_delivery_is_read_and_only_new_requests_are_events(number: int) -> None:
    event, body = payloads()[number]
    payload = json.loads(body)

    said = parse(event, body)

    assert len(said) == ((event, payload.get("action")) in SAYS)
    for each in said:
        subject = payload.get("issue") or payload["pull_request"]
        is_change = "pull_request" in payload or "pull_request" in payload["issue"]
        assert each.thread.number == subject["number"]
        assert each.thread.kind is (Kind.CHANGE if is_change else Kind.ISSUE)
        assert each.thread.title == subject["title"]
        assert each.thread.path == payload["repository"]["full_name"]
        assert each.actor.login == payload["sender"]["login"]
        assert each.head == payload.get("pull_request", {}).get("head", {}).get("sha", "")
        spoken = payload.get("comment") or payload.get("review")
        if spoken:
            assert isinstance(each, Commented)
            assert each.body == (spoken["body"] or "")


def test_a_bot_is_recognized_by_its_account_type() -> None:
    payload = real("issue_comment", "created")
    payload["comment"]["user"]["type"] = "Bot"

    assert read("issue_comment", payload).actor.bot


def test_a_comment_by_another_user_than_its_author_is_refused() -> None:
    payload = real("issue_comment", "created")
    payload["sender"]["id"] = 1

    with pytest.raises(ValueError, match="sender"):
        read("issue_comment", payload)


def test_the_context_of_an_issue_without_a_text_is_its_title() -> None:
    payload = real("issue_comment", "created")
    payload["issue"]["body"] = None

    (part,) = read("issue_comment", payload).context

    assert part.text == "Spelling error in the README file"


def test_nul_is_removed_from_comments_and_titles() -> None:
    payload = real("issue_comment", "created")
    payload["comment"]["body"] = "/run\0 tidy 😀"
    payload["issue"]["title"] = "a\0b"

    event = read("issue_comment", payload)

    assert (event.body, event.thread.title) == ("/run tidy 😀", "ab")


def test_an_event_that_the_bot_does_not_use_is_not_read() -> None:
    assert parse("push", b"not json") == []
