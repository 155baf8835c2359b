"""The webhooks that the playground sends as GitHub."""

import json

from bot.playground.github.hooks import signature
from tests.support.playground_clones import push_commit
from tests.support.playground_github import Playground
from tests.support.playground_receiver import Receiver


def test_the_signature_matches_githubs_published_vector() -> None:
    # docs.github.com, "Validating webhook deliveries"
    digest = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"

    assert signature("It's a Secret to Everybody", b"Hello, World!") == f"sha256={digest}"


def test_a_webhook_has_githubs_headers_and_starts_with_a_ping(playground: Playground) -> None:
    with Receiver() as receiver:
        hook = playground.set_webhook(receiver.url, "sixteen letters!")
        receiver.wait(1)

    headers, body = receiver.got[0]
    assert headers["X-GitHub-Event"] == "ping"
    assert headers["Content-Type"] == "application/json"
    assert headers["User-Agent"].startswith("GitHub-Hookshot/")
    assert headers["X-Hub-Signature-256"] == signature("sixteen letters!", body)
    assert len(headers["X-GitHub-Delivery"]) == 36
    assert json.loads(body)["hook_id"] == hook


def test_comments_are_delivered_in_order(playground: Playground) -> None:
    with Receiver() as receiver:
        playground.set_webhook(receiver.url)
        comment = playground.comment(1, "/run tidy")
        playground.edit(comment, "/run tidy it")
        playground.ask("DELETE", f"issues/comments/{comment}")
        receiver.wait(4)

    told = [json.loads(body) for _, body in receiver.got[1:]]
    assert [one["action"] for one in told] == ["created", "edited", "deleted"]
    assert told[1]["changes"] == {"body": {"from": "/run tidy"}}
    assert told[0]["sender"]["login"] == "ann"
    assert told[0]["repository"]["id"] == playground.repository_id
    assert "pull_request" not in told[0]["issue"]


def test_a_label_event_depends_on_the_kind_of_the_labelled_thread(playground: Playground) -> None:
    push_commit(playground, "topic")
    with Receiver() as receiver:
        playground.set_webhook(receiver.url)
        number = playground.open_pull("Topic", head="topic")
        playground.label(number, "forgehand")
        playground.label(1, "forgehand")
        playground.comment(number, "/run more")
        on_pull = receiver.find("pull_request", "labeled")
        on_issue = receiver.find("issues", "labeled")
        comment = receiver.find("issue_comment", "created")

    assert (on_pull["number"], on_pull["label"]["name"]) == (number, "forgehand")
    assert on_issue["issue"]["number"] == 1
    assert comment["issue"]["pull_request"]["html_url"].endswith(f"/pull/{number}")


def test_a_delivery_is_repeated_only_on_request(playground: Playground) -> None:
    with Receiver(status=500) as receiver:
        playground.set_webhook(receiver.url)
        playground.comment(1, "once")
        playground.comment(1, "marker")
        receiver.wait(3)
        first = [row for row in playground.deliveries() if row["action"] == "created"][-1]
        playground.redeliver(first["id"])
        receiver.wait(4)

    (before, body), (again, same) = receiver.got[1], receiver.got[3]
    assert before["X-GitHub-Delivery"] == again["X-GitHub-Delivery"]
    assert body == same
    assert first["status_code"] == 500


def test_a_delivery_without_an_answer_is_recorded(playground: Playground) -> None:
    with Receiver() as receiver:
        pass
    playground.set_webhook(receiver.url)
    with Receiver() as alive:
        playground.set_webhook(alive.url)
        playground.comment(1, "x")
        alive.find("issue_comment", "created")

    codes = {row["event"]: row["status_code"] for row in playground.deliveries() if not row["status_code"]}
    assert codes["ping"] == 0
