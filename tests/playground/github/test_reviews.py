"""Reviews, and comments on lines of a diff."""

import json
from typing import Any

import pytest

from tests.oracles.check import check_request, check_response
from tests.oracles.payloads import examples
from tests.support.playground_clones import push_commit
from tests.support.playground_github import Playground
from tests.support.playground_receiver import Receiver

NOTES = "notes.txt"
TEN = "".join(f"{number}\n" for number in range(1, 11))


@pytest.fixture
def pull(playground: Playground) -> int:
    """Open a pull request of the bot's own that adds a file of ten lines."""
    push_commit(playground, "topic", TEN)
    return playground.open_pull("Topic", head="topic", as_="bot")


def checked(playground: Playground, method: str, path: str, body: Any = None, *, as_: str = "ann") -> Any:
    """Send a request and return its answer. Both must fit GitHub's description."""
    answer = playground.call(method, path, body, as_=as_)
    read = answer.json() if answer.content else None
    if answer.is_success:
        check_request(method, answer.url.path, body)
    check_response(method, answer.url.path, answer.status_code, read)
    return read


def test_a_review_and_each_of_its_comments_are_delivered(playground: Playground, pull: int) -> None:
    with Receiver() as receiver:
        playground.set_webhook(receiver.url)
        inline = [{"path": NOTES, "line": line, "body": f"line {line}"} for line in (2, 5)]
        review = playground.review(pull, "/run tidy", inline)
        receiver.wait(4)

    told = [read(one) for one in receiver.got[1:]]
    assert [(event, body["action"]) for event, body in told] == [
        ("pull_request_review", "submitted"),
        ("pull_request_review_comment", "created"),
        ("pull_request_review_comment", "created"),
    ]
    assert (told[0][1]["review"]["body"], told[0][1]["review"]["state"]) == ("/run tidy", "commented")
    assert [body["comment"]["line"] for _, body in told[1:]] == [2, 5]
    assert {body["comment"]["pull_request_review_id"] for _, body in told[1:]} == {review}
    assert told[1][1]["comment"]["diff_hunk"] == "@@ -0,0 +1,10 @@\n+1\n+2"
    assert "merged" not in told[0][1]["pull_request"]


def read(got: tuple[dict[str, str], bytes]) -> tuple[str, Any]:
    return got[0]["X-GitHub-Event"], json.loads(got[1])


def test_a_review_without_text_has_no_text_in_webhooks(playground: Playground, pull: int) -> None:
    with Receiver() as receiver:
        playground.set_webhook(receiver.url)
        answer = checked(playground, "POST", f"pulls/{pull}/reviews", {"event": "APPROVE"})
        told = receiver.find("pull_request_review", "submitted")

    assert (answer["state"], answer["body"]) == ("APPROVED", "")
    assert (told["review"]["state"], told["review"]["body"]) == ("approved", None)


def test_a_review_is_created_completely_or_not_at_all(playground: Playground, pull: int) -> None:
    inline = [{"path": NOTES, "line": line, "body": "x"} for line in (2, 11)]

    answer = checked(playground, "POST", f"pulls/{pull}/reviews", {"event": "COMMENT", "comments": inline})

    assert answer["errors"] == ["Line could not be resolved"]
    assert playground.inline_comments(pull) == []
    assert playground.ask("GET", f"pulls/{pull}/reviews") == []


@pytest.mark.parametrize(
    ("body", "as_", "words"),
    [
        ({"event": "APPROVE"}, "bot", "Can not approve your own pull request"),
        ({"event": "REQUEST_CHANGES", "body": "no"}, "bot", "Can not request changes on your own"),
        ({"event": "COMMENT"}, "ann", "can't be blank"),
        ({"event": "COMMENT", "comments": [{"path": "no", "line": 1, "body": "x"}]}, "ann", "Path could not"),
    ],
)
def test_a_review_is_refused_with_githubs_message(
    playground: Playground, pull: int, body: Any, as_: str, words: str
) -> None:
    answer = checked(playground, "POST", f"pulls/{pull}/reviews", body, as_=as_)

    assert answer["status"] == "422"
    assert words in answer["errors"][0]


def test_a_single_comment_creates_a_review_without_text(playground: Playground, pull: int) -> None:
    with Receiver() as receiver:
        playground.set_webhook(receiver.url)
        comment = playground.inline_comment(pull, NOTES, 3, "why?")
        reviewed = receiver.find("pull_request_review", "submitted")
        told = receiver.find("pull_request_review_comment", "created")

    assert reviewed["review"]["body"] is None
    assert told["comment"]["id"] == comment
    assert told["comment"]["pull_request_review_id"] == reviewed["review"]["id"]
    assert "in_reply_to_id" not in told["comment"]


def test_a_comment_must_be_on_a_line_of_the_diff(playground: Playground, pull: int) -> None:
    sha = playground.ask("GET", f"pulls/{pull}")["head"]["sha"]
    wanted = {"commit_id": sha, "path": NOTES, "line": 11, "side": "RIGHT", "body": "x"}
    path = f"pulls/{pull}/comments"

    outside = checked(playground, "POST", path, wanted)
    elsewhere = checked(playground, "POST", path, {**wanted, "commit_id": "1" * 40})

    assert outside["errors"][0]["message"] == "pull_request_review_thread.line must be part of the diff"
    assert elsewhere["errors"][0]["field"] == "commit_id"


def test_a_comment_on_a_removed_line_has_the_hunk_of_the_base(playground: Playground) -> None:
    before = "".join(f"{number}\n" for number in range(1, 31))
    push_commit(playground, "main", before)
    sha = push_commit(playground, "topic", before.replace("\n2\n", "\ntwo\n").replace("\n25\n", "\n"))
    pull = playground.open_pull("Topic", head="topic")
    wanted = {"commit_id": sha, "path": NOTES, "line": 25, "side": "LEFT", "body": "why?"}

    comment = checked(playground, "POST", f"pulls/{pull}/comments", wanted)

    assert comment["diff_hunk"].split("\n")[1:] == [" 22", " 23", " 24", "-25"]
    assert comment["diff_hunk"].startswith("@@ -22,7 +22,6 @@")
    # The first hunk has six lines. The header of the second hunk counts as a line.
    assert comment["position"] == 6 + 1 + 4
    context = checked(playground, "POST", f"pulls/{pull}/comments", {**wanted, "side": "RIGHT"})
    assert context["diff_hunk"].endswith("-25\n 26")


def test_replies_belong_to_the_first_comment(playground: Playground, pull: int) -> None:
    first = playground.inline_comment(pull, NOTES, 3, "why?")
    path = f"pulls/{pull}/comments/{first}/replies"

    reply = checked(playground, "POST", path, {"body": "because"}, as_="bot")

    assert (reply["in_reply_to_id"], reply["path"], reply["line"]) == (first, NOTES, 3)
    again = playground.call("POST", f"pulls/{pull}/comments/{reply['id']}/replies", {"body": "x"})
    assert again.status_code == 404


def test_comments_have_pages(playground: Playground, pull: int) -> None:
    ids = [playground.inline_comment(pull, NOTES, line, "x") for line in range(1, 6)]

    second = playground.call("GET", f"pulls/{pull}/comments?per_page=2&page=2")

    assert [row["id"] for row in second.json()] == ids[2:4]
    assert 'rel="next"' in second.headers["Link"]
    check_response("GET", second.url.path, 200, second.json())
    assert [row["id"] for row in checked(playground, "GET", "pulls/comments")] == ids


def test_comments_are_edited_reacted_to_and_deleted(playground: Playground, pull: int) -> None:
    comment = playground.inline_comment(pull, NOTES, 3, "why?", as_="reader")
    path = f"pulls/comments/{comment}"
    with Receiver() as receiver:
        playground.set_webhook(receiver.url)
        checked(playground, "PATCH", path, {"body": "how?"}, as_="reader")
        edited = receiver.find("pull_request_review_comment", "edited")
        checked(playground, "POST", f"{path}/reactions", {"content": "eyes"}, as_="bot")
        found = checked(playground, "GET", path)
        assert playground.inline_reactions(comment) == ["eyes"]
        assert playground.call("PATCH", path, {"body": "x"}, as_="otherbot").status_code == 403
        checked(playground, "DELETE", path)
        receiver.find("pull_request_review_comment", "deleted")

    assert edited["changes"] == {"body": {"from": "why?"}}
    assert (found["body"], found["reactions"]["eyes"]) == ("how?", 1)
    assert playground.call("GET", path).status_code == 404


def test_comments_follow_their_lines_through_pushes(playground: Playground, pull: int) -> None:
    early, late = (playground.inline_comment(pull, NOTES, line, "x") for line in (2, 9))

    head = push_commit(playground, "topic", TEN.replace("5\n", "5\nfive\n"), onto="topic")
    shifted = {row["id"]: row for row in playground.inline_comments(pull)}
    push_commit(playground, "topic", TEN.replace("9\n", "nine\n"), onto="topic")
    changed = {row["id"]: row for row in playground.inline_comments(pull)}

    assert (shifted[early]["line"], shifted[late]["line"]) == (2, 10)
    assert (shifted[late]["commit_id"], shifted[late]["original_line"]) == (head, 9)
    assert changed[late]["line"] is changed[late]["position"] is None
    assert changed[early]["line"] == 2


def test_a_locked_pull_request_accepts_no_reviews_or_comments(playground: Playground, pull: int) -> None:
    comment = playground.inline_comment(pull, NOTES, 3, "why?")
    playground.lock(pull)

    for path, body in (
        (f"pulls/{pull}/reviews", {"event": "COMMENT", "body": "x"}),
        (f"pulls/{pull}/comments/{comment}/replies", {"body": "x"}),
    ):
        assert "locked" in playground.call("POST", path, body, as_="bot").text


@pytest.mark.parametrize(
    ("event", "action", "part"),
    [
        ("pull_request_review", "submitted", "review"),
        ("pull_request_review_comment", "created", "comment"),
    ],
)
def test_webhooks_of_reviews_have_the_fields_of_real_ones(
    playground: Playground, pull: int, event: str, action: str, part: str
) -> None:
    with Receiver() as receiver:
        playground.set_webhook(receiver.url)
        playground.inline_comment(pull, NOTES, 3, "why?")
        ours = receiver.find(event, action)

    real = examples(event, action)
    for name in (part, "pull_request"):
        assert set.intersection(*(set(one[name]) for one in real)) <= set(ours[name]), name
    assert set.intersection(*(set(one) for one in real)) <= set(ours)
