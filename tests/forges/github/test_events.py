"""What GitHub's deliveries say, read from real ones."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from bot.events import Commented, Labelled
from bot.forges.github.events import parse
from bot.model import Actor, Kind, Part, Spot, Thread
from tests.oracles.payloads import examples

ANN = Actor(id=21031067, login="Codertocat")

Payload = dict[str, Any]


def real(event: str, action: str) -> Payload:
    """The first real delivery of an event and action."""
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


def test_a_new_comment_is_commented() -> None:
    event = read("issue_comment", real("issue_comment", "created"))

    assert event == Commented(
        cause="comment:492700400",
        thread=thread(Kind.ISSUE, 1, "Spelling error in the README file"),
        actor=ANN,
        at=datetime(2019, 5, 15, 15, 20, 21, tzinfo=UTC),
        context=(
            Part(
                what="The thread this was asked on",
                text="Spelling error in the README file\n\n"
                "It looks like you accidently spelled 'commit' with two 't's.",
                author="Codertocat",
                at="2019-05-15T15:20:18Z",
            ),
        ),
        spot=Spot(comment_id=492700400),
        body="You are totally right! I'll get this fixed right away.",
    )


def test_a_comment_under_a_pull_request_is_on_a_change() -> None:
    payload = real("issue_comment", "created")
    payload["issue"]["pull_request"] = {"url": "https://api.github.com/repos/acme/anvil/pulls/1"}

    assert read("issue_comment", payload).thread.kind is Kind.CHANGE


def test_a_label_on_an_issue_is_labelled() -> None:
    event = read("issues", real("issues", "labeled"))

    assert isinstance(event, Labelled)
    assert event.cause == "label:issue/1:bug:2019-05-15T15:20:18Z"
    assert event.thread == thread(Kind.ISSUE, 1, "Spelling error in the README file")
    assert (event.actor, event.label) == (ANN, "bug")
    assert event.at == datetime(2019, 5, 15, 15, 20, 18, tzinfo=UTC)


def test_a_label_on_a_pull_request_is_on_a_change() -> None:
    event = read("pull_request", real("pull_request", "labeled"))

    assert event.thread == thread(Kind.CHANGE, 2, "Update the README with new information.")
    assert event.cause.startswith("label:change/2:bug:")


@pytest.mark.parametrize(
    ("event", "action"), [("issue_comment", "created"), ("issues", "labeled"), ("pull_request", "labeled")]
)
def test_every_real_delivery_is_read_and_only_new_words_are_events(event: str, action: str) -> None:
    for payload in examples(event):
        said = parse(event, json.dumps(payload).encode())
        assert len(said) == (1 if payload["action"] == action else 0)


def test_a_bot_is_known_by_the_forges_word() -> None:
    payload = real("issue_comment", "created")
    payload["comment"]["user"]["type"] = "Bot"

    assert read("issue_comment", payload).actor.bot


def test_a_comment_sent_by_somebody_else_than_its_author_is_refused() -> None:
    payload = real("issue_comment", "created")
    payload["sender"]["id"] = 1

    with pytest.raises(ValueError, match="sender"):
        read("issue_comment", payload)


def test_an_issue_without_text_is_fine() -> None:
    payload = real("issue_comment", "created")
    payload["issue"]["body"] = None

    (part,) = read("issue_comment", payload).context

    assert part.text == "Spelling error in the README file"


def test_nul_is_taken_out_of_every_text() -> None:
    payload = real("issue_comment", "created")
    payload["comment"]["body"] = "/run\0 tidy 😀"
    payload["issue"]["title"] = "a\0b"

    event = read("issue_comment", payload)

    assert (event.body, event.thread.title) == ("/run tidy 😀", "ab")


def test_an_enterprise_servers_repository_keeps_its_host() -> None:
    payload = real("issues", "labeled")
    payload["repository"]["html_url"] = "http://Git.Example.org:8080/Codertocat/Hello-World/"

    url = read("issues", payload).thread.repository_url

    assert url == "http://git.example.org:8080/Codertocat/Hello-World"


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
        "repository.html_url",
        "repository",
    ],
)
@pytest.mark.parametrize("wrong", [None, True, [], {}])
def test_a_needed_field_that_is_wrong_is_named(field: str, wrong: object) -> None:
    payload = real("issue_comment", "created")
    *path, last = field.split(".")
    parent = payload
    for name in path:
        parent = parent[name]
    parent[last] = wrong

    with pytest.raises(ValueError, match=field):
        read("issue_comment", payload)


@pytest.mark.parametrize("time", ["yesterday", "2019-05-15T15:20:21"])
def test_a_time_that_is_none_is_named(time: str) -> None:
    payload = real("issue_comment", "created")
    payload["comment"]["created_at"] = time

    with pytest.raises(ValueError, match=r"comment\.created_at"):
        read("issue_comment", payload)


def test_a_repository_address_that_is_none_is_named() -> None:
    payload = real("issue_comment", "created")
    payload["repository"]["html_url"] = "javascript:alert(1)?"

    with pytest.raises(ValueError, match=r"repository\.html_url"):
        read("issue_comment", payload)


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"\xff", b"[]", b"NaN", b'{"action": "\\ud800 alone"}', b"[" * 10_000],
)
def test_a_body_that_cannot_be_read_is_a_value_error(body: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - in the parser's own words
        parse("issue_comment", body)


def test_an_event_nobody_asked_for_is_not_even_read() -> None:
    assert parse("push", b"not json") == []
