"""What GitHub's deliveries say, read from real ones."""

import json
from collections import Counter
from collections.abc import Callable
from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bot.events import Commented, Labelled
from bot.forges.github.events import parse
from bot.model import Actor, Kind, Thread

PAYLOADS = Path(__file__).parents[2] / "oracles" / "github-payloads.json"
ANN = Actor(id=21031067, login="Codertocat")

SPOKEN = [("issue_comment", "created"), ("issues", "labeled"), ("pull_request", "labeled")]

Payload = dict[str, Any]
Real = Callable[[str, str], Payload]


@pytest.fixture(scope="session")
def kept() -> list[Payload]:
    """Real deliveries: `event` and `payload` of each."""
    read: list[Payload] = json.loads(PAYLOADS.read_text())
    return read


@pytest.fixture
def real(kept: list[Payload]) -> Real:
    """A fresh copy of the first real delivery of an event and action."""

    def first(event: str, action: str) -> Payload:
        found = next(
            each["payload"]
            for each in kept
            if (each["event"], each["payload"].get("action")) == (event, action)
        )
        return deepcopy(found)

    return first


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


def test_a_new_comment_is_commented(real: Real) -> None:
    event = read("issue_comment", real("issue_comment", "created"))

    assert event == Commented(
        cause="comment:492700400",
        thread=thread(Kind.ISSUE, 1, "Spelling error in the README file"),
        actor=ANN,
        comment_id=492700400,
        body="You are totally right! I'll get this fixed right away.",
        at=datetime(2019, 5, 15, 15, 20, 21, tzinfo=UTC),
        thread_body="It looks like you accidently spelled 'commit' with two 't's.",
        default_branch="master",
    )


def test_a_comment_under_a_pull_request_is_on_a_change(real: Real) -> None:
    payload = real("issue_comment", "created")
    payload["issue"]["pull_request"] = {"url": "https://api.github.com/repos/acme/anvil/pulls/1"}

    assert read("issue_comment", payload).thread.kind is Kind.CHANGE


def test_a_label_on_an_issue_is_labelled(real: Real) -> None:
    event = read("issues", real("issues", "labeled"))

    assert isinstance(event, Labelled)
    assert event.cause == "label:issue/1:bug:2019-05-15T15:20:18Z"
    assert event.thread == thread(Kind.ISSUE, 1, "Spelling error in the README file")
    assert (event.actor, event.label) == (ANN, "bug")
    assert event.at == datetime(2019, 5, 15, 15, 20, 18, tzinfo=UTC)


def test_a_label_on_a_pull_request_is_on_a_change(real: Real) -> None:
    event = read("pull_request", real("pull_request", "labeled"))

    assert event.thread == thread(Kind.CHANGE, 2, "Update the README with new information.")
    assert event.cause.startswith("label:change/2:bug:")


def test_every_real_delivery_is_read_and_only_new_words_are_events(kept: list[Payload]) -> None:
    said = Counter(
        (each["event"], each["payload"].get("action"))
        for each in kept
        for _ in parse(each["event"], json.dumps(each["payload"]).encode())
    )
    held = Counter((each["event"], each["payload"].get("action")) for each in kept)

    assert said == {spoken: held[spoken] for spoken in SPOKEN}


def test_a_bot_is_known_by_the_forges_word(real: Real) -> None:
    payload = real("issue_comment", "created")
    payload["comment"]["user"]["type"] = "Bot"

    assert read("issue_comment", payload).actor.bot


def test_a_comment_sent_by_somebody_else_than_its_author_is_refused(real: Real) -> None:
    payload = real("issue_comment", "created")
    payload["sender"]["id"] = 1

    with pytest.raises(ValueError, match="sender"):
        read("issue_comment", payload)


def test_an_issue_without_text_and_a_repository_without_default_branch_are_fine(real: Real) -> None:
    payload = real("issue_comment", "created")
    payload["issue"]["body"] = None
    del payload["repository"]["default_branch"]

    event = read("issue_comment", payload)

    assert (event.thread_body, event.default_branch) == ("", "")


def test_nul_is_taken_out_of_every_text(real: Real) -> None:
    payload = real("issue_comment", "created")
    payload["comment"]["body"] = "/run\0 tidy 😀"
    payload["issue"]["title"] = "a\0b"

    event = read("issue_comment", payload)

    assert (event.body, event.thread.title) == ("/run tidy 😀", "ab")


def test_an_enterprise_servers_repository_keeps_its_host(real: Real) -> None:
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
def test_a_needed_field_that_is_wrong_is_named(real: Real, field: str, wrong: object) -> None:
    payload = real("issue_comment", "created")
    *path, last = field.split(".")
    parent = payload
    for name in path:
        parent = parent[name]
    parent[last] = wrong

    with pytest.raises(ValueError, match=field):
        read("issue_comment", payload)


@pytest.mark.parametrize("time", ["yesterday", "2019-05-15T15:20:21"])
def test_a_time_that_is_none_is_named(real: Real, time: str) -> None:
    payload = real("issue_comment", "created")
    payload["comment"]["created_at"] = time

    with pytest.raises(ValueError, match=r"comment\.created_at"):
        read("issue_comment", payload)


def test_a_repository_address_that_is_none_is_named(real: Real) -> None:
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
