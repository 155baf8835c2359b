"""The webhooks that the playground sends as GitLab."""

import json
from typing import Any

from standardwebhooks import Webhook

from tests.support import http
from tests.support.playground_clones import push_commit
from tests.support.playground_gitlab import GitLabPlayground
from tests.support.playground_receiver import Receiver


def received(receiver: Receiver, count: int) -> list[tuple[str, dict[str, Any]]]:
    """Return event and payload of this many deliveries."""
    receiver.wait(count)
    return [(headers["X-Gitlab-Event"], json.loads(body)) for headers, body in receiver.got]


def test_a_signature_is_accepted_by_an_independent_verifier(gitlab_side: GitLabPlayground) -> None:
    with Receiver() as receiver:
        gitlab_side.set_webhook(receiver.url)
        gitlab_side.comment(1, "ä /run")
        receiver.wait(1)

    headers, body = receiver.got[0]
    Webhook(gitlab_side.signing_token).verify(body, headers)
    assert headers["webhook-id"] == headers["Idempotency-Key"]
    assert headers["X-Gitlab-Token"] == gitlab_side.webhook_secret
    assert headers["X-Gitlab-Instance"] == gitlab_side.url
    assert len({headers[f"X-Gitlab-{name}-UUID"] for name in ("Event", "Webhook")}) == 2


def test_a_hook_without_a_signing_token_has_only_its_secret_token(gitlab_side: GitLabPlayground) -> None:
    with Receiver() as receiver:
        gitlab_side.set_webhook(receiver.url, token="sixteen letters!")
        gitlab_side.comment(1, "x")
        receiver.wait(1)

    headers, _ = receiver.got[0]
    assert headers["X-Gitlab-Token"] == "sixteen letters!"
    assert "webhook-signature" not in headers


def test_notes_are_delivered_in_gitlabs_format(gitlab_side: GitLabPlayground) -> None:
    with Receiver() as receiver:
        gitlab_side.set_webhook(receiver.url)
        note = gitlab_side.comment(1, "/run tidy")
        gitlab_side.edit(note, "/run tidy it")
        (event, first), (_, second) = received(receiver, 2)

    assert (event, first["object_kind"], first["event_type"]) == ("Note Hook", "note", "note")
    attributes = first["object_attributes"]
    assert (attributes["id"], attributes["note"], attributes["action"]) == (note, "/run tidy", "create")
    assert (attributes["noteable_type"], attributes["system"]) == ("Issue", False)
    assert attributes["created_at"].endswith(" UTC")
    assert attributes["url"] == f"{gitlab_side.html_url}/-/issues/1#note_{note}"
    assert attributes["author_id"] == first["user"]["id"] == gitlab_side.user_id("ann")
    assert (first["project"]["id"], first["project_id"]) == (gitlab_side.repository_id,) * 2
    assert first["project"]["default_branch"] == "main"
    assert (first["issue"]["iid"], first["issue"]["state"]) == (1, "opened")
    assert second["object_attributes"]["action"] == "update"


def test_labels_assignments_and_closings_are_delivered(gitlab_side: GitLabPlayground) -> None:
    head = push_commit(gitlab_side, "topic")
    with Receiver() as receiver:
        gitlab_side.set_webhook(receiver.url)
        change = gitlab_side.open_pull("Topic", head="topic")
        gitlab_side.label(change, "forgehand")
        gitlab_side.request_review(change, "bot")
        gitlab_side.assign(1, "bot")
        gitlab_side.close_issue(1)
        gitlab_side.ask("POST", f"merge_requests/{change}/approve", as_="bot")
        gitlab_side.merge(change)
        got = received(receiver, 7)

    actions = [(event, payload["object_attributes"]["action"]) for event, payload in got]
    assert actions == [
        ("Merge Request Hook", "open"),
        ("Merge Request Hook", "update"),
        ("Merge Request Hook", "update"),
        ("Issue Hook", "update"),
        ("Issue Hook", "close"),
        ("Merge Request Hook", "approved"),
        ("Merge Request Hook", "merge"),
    ]
    opened, labelled, reviewed, assigned, *_ = [payload for _, payload in got]
    attributes = opened["object_attributes"]
    assert (attributes["last_commit"]["id"], attributes["source_branch"]) == (head, "topic")
    assert attributes["source_project_id"] == attributes["target_project_id"] == gitlab_side.repository_id
    labels = labelled["changes"]["labels"]
    assert (labels["previous"], [one["title"] for one in labels["current"]]) == ([], ["forgehand"])
    assert [one["title"] for one in labelled["labels"]] == ["forgehand"]
    bot = gitlab_side.user_id("bot")
    assert reviewed["changes"]["reviewers"]["current"][0]["id"] == bot
    assert reviewed["reviewers"][0]["id"] == bot
    assert assigned["changes"]["assignees"]["current"][0]["username"] == "forgehand"
    assert [one["id"] for one in assigned["assignees"]] == [bot]


def test_confidential_events_have_their_own_names(gitlab_side: GitLabPlayground) -> None:
    with Receiver() as receiver:
        gitlab_side.set_webhook(receiver.url)
        secret = gitlab_side.open_issue("Secret", confidential=True)
        gitlab_side.comment(secret, "x")
        gitlab_side.comment(1, "y", internal=True)
        got = received(receiver, 3)

    assert [event for event, _ in got] == ["Confidential Issue Hook", *["Confidential Note Hook"] * 2]
    assert got[0][1]["event_type"] == "confidential_issue"
    assert got[0][1]["object_attributes"]["confidential"] is True
    assert got[2][1]["object_attributes"]["internal"] is True


def test_a_note_on_a_diff_is_delivered_with_its_position(gitlab_side: GitLabPlayground) -> None:
    push_commit(gitlab_side, "topic")
    change = gitlab_side.open_pull("Topic", head="topic")
    with Receiver() as receiver:
        gitlab_side.set_webhook(receiver.url)
        note = gitlab_side.inline_comment(change, "notes.txt", 1, "/run here")
        [(_, payload)] = received(receiver, 1)

    attributes = payload["object_attributes"]
    assert (attributes["type"], attributes["position"]["new_line"]) == ("DiffNote", 1)
    assert attributes["discussion_id"] == gitlab_side.discussion(change, note)["id"]
    assert payload["merge_request"]["iid"] == change


def test_a_repeated_delivery_has_the_same_key(gitlab_side: GitLabPlayground) -> None:
    with Receiver(status=500) as receiver:
        gitlab_side.set_webhook(receiver.url)
        gitlab_side.comment(1, "once")
        receiver.wait(1)
        gitlab_side.comment(1, "marker")
        receiver.wait(2)
        [first] = [
            row
            for row in gitlab_side.deliveries()
            if row["request_data"]["object_attributes"]["note"] == "once"
        ]
        gitlab_side.redeliver(first["id"])
        receiver.wait(3)

    (before, body), _, (again, same) = receiver.got
    assert (first["event"], first["status_code"]) == ("Note Hook", 500)
    assert body == same
    assert before["Idempotency-Key"] == again["Idempotency-Key"] == first["guid"]
    assert before["X-Gitlab-Webhook-UUID"] != again["X-Gitlab-Webhook-UUID"]
    Webhook(gitlab_side.signing_token).verify(same, again)


def test_each_forge_delivers_to_its_own_hooks(gitlab_side: GitLabPlayground) -> None:
    github = "/api/v3/repos/acme/anvil"
    with Receiver() as here, Receiver() as there:
        gitlab_side.set_webhook(here.url)
        config = {"url": there.url, "content_type": "json"}
        gitlab_side.ask("POST", f"{github}/hooks", {"config": config, "events": ["*"]})
        gitlab_side.comment(1, "here")
        gitlab_side.ask("POST", f"{github}/issues/1/comments", {"body": "there"})
        there.find("issue_comment", "created")
        here.wait(1)

    assert len(gitlab_side.ask("GET", "hooks")) == len(gitlab_side.ask("GET", f"{github}/hooks")) == 1
    assert (len(here.got), len(there.got)) == (1, 2)  # GitHub's deliveries start with a ping
    headers = {"PRIVATE-TOKEN": gitlab_side.tokens["ann"]}
    hooks = f"{gitlab_side.url}/api/v4/projects/{gitlab_side.repository_id}/hooks"
    shown = http.get(hooks, headers=headers).json()[0]
    assert gitlab_side.webhook_secret not in json.dumps(shown)
