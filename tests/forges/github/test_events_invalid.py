"""Invalid and unusual values in deliveries: an error that names the field, or an event."""

import pytest

from bot.forges.github.events import parse
from tests.forges.github.real_payloads import read, real
from tests.forges.odd_values import NO_LOGINS, NO_TIMES, OUT_OF_RANGE


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
