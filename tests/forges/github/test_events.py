"""The events in the deliveries of GitHub, read from real ones."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from bot.domain.event import Assigned, Commented, Labelled
from bot.domain.thread import Actor, DiffExcerpt, Kind, Part, PartKind, ReplyTarget, Thread
from bot.forges.github.events import parse
from tests.forges.odd_values import NO_FULL_NAMES, NO_LOGINS, NO_TIMES, OTHER_ADDRESSES, OUT_OF_RANGE
from tests.oracles.payloads import examples, payloads

ANN = Actor(id=21031067, login="Codertocat")

Payload = dict[str, Any]


def real(event: str, action: str) -> Payload:
    """Return the first real delivery of an event and action."""
    return examples(event, action)[0]


def thread(kind: Kind, number: int, title: str) -> Thread:
    return Thread(
        forge="github",
        repository_id=186853002,
        repository_url="https://github.com/Codertocat/Hello-World",
        path="Codertocat/Hello-World",
        kind=kind,
        number=number,
        title=title,
    )


def read(event: str, payload: Payload) -> Any:
    (one,) = parse(event, json.dumps(payload).encode())
    return one


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


SAYS = {
    ("issue_comment", "created"),
    ("issues", "assigned"),
    ("issues", "labeled"),
    ("pull_request", "assigned"),
    ("pull_request", "labeled"),
    ("pull_request", "review_requested"),
    ("pull_request_review", "submitted"),
    ("pull_request_review_comment", "created"),
}


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


@pytest.mark.parametrize("url", [*OTHER_ADDRESSES, None, 7])
@pytest.mark.parametrize("field", ["html_url", "clone_url", "git_url", "ssh_url", "url"])
def test_the_address_of_a_repository_comes_from_the_settings_and_not_from_the_delivery(
    url: object, field: str
) -> None:
    for event, action in sorted(SAYS):
        payload = real(event, action)
        payload["repository"][field] = url

        (said,) = parse(event, json.dumps(payload).encode(), "http://git.example.org:8080/hub")

        assert said.thread.repository_url == "http://git.example.org:8080/hub/Codertocat/Hello-World"


@pytest.mark.parametrize("name", NO_FULL_NAMES)
def test_the_field_of_an_invalid_full_name_is_named_in_the_error(name: object) -> None:
    for event, action in sorted(SAYS):
        payload = real(event, action)
        payload["repository"]["full_name"] = name

        with pytest.raises(ValueError, match=r"repository\.full_name"):
            read(event, payload)


@pytest.mark.parametrize("name", ["acme/.github", "a_short/x.y-z_", "0/-", "acme/a..b", "acme/CON"])
def test_an_unusual_full_name_is_read(name: str) -> None:
    payload = real("issue_comment", "created")
    payload["repository"]["full_name"] = name

    thread = read("issue_comment", payload).thread

    assert (thread.path, thread.repository_url) == (name, f"https://github.com/{name}")


@pytest.mark.parametrize("wrong", OUT_OF_RANGE)
@pytest.mark.parametrize(
    ("event", "action", "field"),
    [
        ("issue_comment", "created", "comment.id"),
        ("issue_comment", "created", "comment.user.id"),
        ("issue_comment", "created", "sender.id"),
        ("issue_comment", "created", "issue.number"),
        ("issue_comment", "created", "repository.id"),
        ("issues", "assigned", "assignee.id"),
        ("pull_request", "review_requested", "requested_reviewer.id"),
        ("pull_request", "labeled", "pull_request.number"),
        ("pull_request_review", "submitted", "review.id"),
        ("pull_request_review_comment", "created", "comment.in_reply_to_id"),
        ("pull_request_review_comment", "created", "comment.line"),
    ],
)
def test_a_number_that_the_ledger_cannot_store_is_named_in_the_error(
    event: str, action: str, field: str, wrong: object
) -> None:
    payload = real(event, action)
    *path, last = field.split(".")
    parent = payload
    for name in path:
        parent = parent[name]
    parent[last] = wrong

    if (field, wrong) == ("comment.line", 0):
        excerpt = read(event, payload).context[0].excerpt
        assert excerpt is not None
        assert (excerpt.path, excerpt.line) == ("README.md", None)
        return
    with pytest.raises(ValueError, match=field.split(".")[-1]):
        read(event, payload)


@pytest.mark.parametrize("largest", [1, 2**63 - 1])
def test_the_first_and_the_last_number_are_read(largest: int) -> None:
    payload = real("issue_comment", "created")
    payload["issue"]["number"] = payload["repository"]["id"] = largest

    thread = read("issue_comment", payload).thread

    assert (thread.number, thread.repository_id) == (largest, largest)


@pytest.mark.parametrize(
    "field",
    [
        "action",
        "comment.id",
        "comment.body",
        "comment.created_at",
        "comment.user.id",
        "comment.user.login",
        "comment.user.type",
        "comment.user",
        "sender.id",
        "issue.number",
        "issue",
        "repository.id",
        "repository.full_name",
        "repository",
    ],
)
@pytest.mark.parametrize("wrong", [None, True, [], {}])
def test_an_invalid_required_field_is_named_in_the_error(field: str, wrong: object) -> None:
    payload = real("issue_comment", "created")
    *path, last = field.split(".")
    parent = payload
    for name in path:
        parent = parent[name]
    parent[last] = wrong

    with pytest.raises(ValueError, match=field):
        read("issue_comment", payload)


@pytest.mark.parametrize("time", [*NO_TIMES, "yesterday", "2019-05-15T15:20:21"])
def test_an_invalid_time_is_named_in_the_error(time: str) -> None:
    payload = real("issue_comment", "created")
    payload["comment"]["created_at"] = time

    with pytest.raises(ValueError, match=r"comment\.created_at"):
        read("issue_comment", payload)


@pytest.mark.parametrize("login", NO_LOGINS)
def test_an_invalid_login_is_named_in_the_error(login: str) -> None:
    payload = real("issue_comment", "created")
    payload["comment"]["user"]["login"] = login

    with pytest.raises(ValueError, match=r"comment\.user\.login"):
        read("issue_comment", payload)


@pytest.mark.parametrize("login", ["dependabot[bot]", "octo_acme", "-old-", "a" * 255])
def test_an_unusual_login_is_read(login: str) -> None:
    payload = real("issue_comment", "created")
    payload["comment"]["user"]["login"] = login

    assert read("issue_comment", payload).actor.login == login


def test_the_field_of_a_label_that_is_too_long_is_named_in_the_error() -> None:
    payload = real("issues", "labeled")
    payload["label"]["name"] = "é" * 255
    assert read("issues", payload).label == "é" * 255

    payload["label"]["name"] += "é"

    with pytest.raises(ValueError, match=r"label\.name"):
        read("issues", payload)


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"\xff", b"[]", b"NaN", b'{"action": "\\ud800 alone"}', b"[" * 10_000],
)
def test_a_body_that_cannot_be_read_is_a_value_error(body: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - in the parser's own words
        parse("issue_comment", body)


def test_an_event_that_the_bot_does_not_use_is_not_read() -> None:
    assert parse("push", b"not json") == []
