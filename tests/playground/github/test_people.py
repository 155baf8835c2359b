"""Assignments and review requests, revoked access, moved threads, and the end of pull requests."""

import subprocess

import httpx
import pytest

from tests.oracles.check import check_request, check_response
from tests.oracles.payloads import examples
from tests.support import http
from tests.support.playground_clones import git, push_commit
from tests.support.playground_github import Playground
from tests.support.playground_receiver import Receiver


@pytest.fixture
def pull(playground: Playground) -> int:
    push_commit(playground, "topic")
    return playground.open_pull("Topic", head="topic")


def test_an_assignment_is_delivered_with_the_assignee(playground: Playground, pull: int) -> None:
    with Receiver() as receiver:
        playground.set_webhook(receiver.url)
        playground.assign(1, "forgehand")
        playground.assign(pull, "forgehand")
        on_issue, on_pull = (receiver.find(event, "assigned") for event in ("issues", "pull_request"))
        answer = playground.call("DELETE", "issues/1/assignees", {"assignees": ["forgehand"]})
        receiver.find("issues", "unassigned")

    assert (on_issue["assignee"]["login"], on_issue["issue"]["number"]) == ("forgehand", 1)
    assert (on_pull["assignee"]["login"], on_pull["number"]) == ("forgehand", pull)
    assert set(examples("issues", "assigned")[0]) <= set(on_issue)
    check_response("DELETE", answer.url.path, 200, answer.json())
    assert answer.json()["assignees"] == []


def test_assigning_an_ineligible_user_is_ignored(playground: Playground) -> None:
    stranger = playground.call("POST", "issues/1/assignees", {"assignees": ["reader", "nobody"]})
    by_stranger = playground.call("POST", "issues/1/assignees", {"assignees": ["ann"]}, as_="reader")

    for answer in (stranger, by_stranger):
        check_request("POST", answer.url.path, {"assignees": ["ann"]})
        check_response("POST", answer.url.path, 201, answer.json())
        assert answer.json()["assignee"] is None


def test_a_review_request_to_a_collaborator_lasts_until_the_review(playground: Playground, pull: int) -> None:
    path = f"pulls/{pull}/requested_reviewers"
    with Receiver() as receiver:
        playground.set_webhook(receiver.url)
        playground.request_review(pull, "forgehand")
        told = receiver.find("pull_request", "review_requested")

    assert told["requested_reviewer"]["login"] == "forgehand"
    again = playground.call("POST", path, {"reviewers": ["forgehand"]})
    check_response("POST", again.url.path, 201, again.json())
    assert [row["login"] for row in again.json()["requested_reviewers"]] == ["forgehand"]
    playground.review(pull, "looks fine", as_="bot")
    assert playground.ask("GET", f"pulls/{pull}")["requested_reviewers"] == []
    for login, words in (("ann", "from pull request author"), ("reader", "not a collaborator")):
        answer = playground.call("POST", path, {"reviewers": [login]})
        assert (answer.status_code, words in answer.text) == (422, True)


def test_a_merged_pull_request_moves_its_base(playground: Playground, pull: int) -> None:
    with Receiver() as receiver:
        playground.set_webhook(receiver.url)
        answer = playground.call("PUT", f"pulls/{pull}/merge", {})
        told = receiver.find("pull_request", "closed")

    check_response("PUT", answer.url.path, 200, answer.json())
    shown = playground.call("GET", f"pulls/{pull}")
    check_response("GET", shown.url.path, 200, shown.json())
    assert (shown.json()["state"], shown.json()["merged"]) == ("closed", True)
    assert told["pull_request"]["merged_by"]["login"] == "ann"
    assert playground.branch_head("main") == answer.json()["sha"]
    assert playground.call("PUT", f"pulls/{pull}/merge", {}).status_code == 405


def test_a_conflicting_or_moved_pull_request_is_not_merged(playground: Playground, pull: int) -> None:
    push_commit(playground, "other", "something else\n")
    other = playground.open_pull("Other", head="other")

    moved = playground.call("PUT", f"pulls/{other}/merge", {"sha": "1" * 40})
    playground.merge(pull)
    conflict = playground.call("PUT", f"pulls/{other}/merge", {})

    assert (moved.status_code, conflict.status_code) == (409, 405)
    check_response("PUT", conflict.url.path, 405, conflict.json())


def test_a_transferred_issue_gets_a_new_number_in_the_other_repository(playground: Playground) -> None:
    playground.ask("POST", "/_playground/repos", {"owner": "acme", "name": "hammer"})
    comment = playground.comment(1, "hello")
    with Receiver() as receiver:
        playground.set_webhook(receiver.url)
        number = playground.transfer(1, "acme/hammer")
        told = receiver.find("issues", "transferred")

    old = f"{playground.api_url}/repos/{playground.path}/issues/1"
    token = {"Authorization": f"Bearer {playground.token}"}
    answers = {
        "GET": http.get(old, headers=token),
        "PATCH": httpx.patch(old, headers=token, json={"title": "x"}),
        "labels": http.post(f"{old}/labels", headers=token, json={"labels": ["x"]}),
    }
    there = answers["GET"].json()["url"]
    assert {answer.status_code for answer in answers.values()} == {301}
    assert answers["labels"].headers["location"] == f"{there}/labels"
    for answer in answers.values():
        check_response(answer.request.method, answer.url.path, 301, answer.json())
    found = http.get(there, headers=token).json()
    assert (found["title"], found["number"]) == ("Tidy the parser", number)
    assert [row["id"] for row in http.get(f"{there}/comments", headers=token).json()] == [comment]
    assert told["changes"]["new_issue"]["url"] == found["url"]
    # GitHub does not redirect here (measured, see calls.py).
    assert http.post(f"{old}/comments", headers=token, json={"body": "x"}).status_code == 404
    assert playground.ask("GET", "issues") == []


def test_a_replaced_token_is_refused_by_api_and_git(playground: Playground) -> None:
    playground.ask("PATCH", "", {"private": True})
    before = playground.token

    after = playground.new_token("forgehand")

    assert playground.token == after != before
    url = f"{playground.api_url}/repos/{playground.path}"
    codes = [
        http.get(url, headers={"Authorization": f"token {token}"}).status_code for token in (before, after)
    ]
    assert codes == [401, 200]
    assert [_listed(playground, token).returncode for token in (before, after)] == [128, 0]


def _listed(playground: Playground, token: str) -> subprocess.CompletedProcess[str]:
    return git("ls-remote", playground.clone_url, token=token)


def test_a_removed_collaborator_can_still_read_a_public_repository(playground: Playground) -> None:
    playground.remove_collaborator("forgehand")

    assert playground.ask("GET", "collaborators/forgehand/permission")["role_name"] == "read"
    assert playground.call("POST", "issues/1/labels", {"labels": ["x"]}, as_="bot").status_code == 403


def test_an_edit_is_delivered_with_the_earlier_text(playground: Playground) -> None:
    with Receiver() as receiver:
        playground.set_webhook(receiver.url)
        playground.edit_issue(1, title="Tidy all of it")
        told = receiver.find("issues", "edited")
        playground.label(1, "forgehand")
        playground.unlabel(1, "forgehand")
        receiver.find("issues", "unlabeled")
        playground.close_issue(1)
        receiver.find("issues", "closed")

    assert told["changes"] == {"title": {"from": "Tidy the parser"}}
    assert playground.labels(1) == []
