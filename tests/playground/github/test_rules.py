"""GitHub's refusals, which its OpenAPI file does not describe."""

from dataclasses import replace
from typing import Any

import httpx
import pytest
from github import Auth, Github

from bot.playground.state import Status
from tests.oracles.check import check_response
from tests.support import http
from tests.support.playground_clones import push_commit
from tests.support.playground_github import Playground


def refused(answer: httpx.Response, status: int, words: str) -> None:
    assert answer.status_code == status, answer.text
    assert words in answer.text
    check_response(answer.request.method, answer.url.path, status, answer.json())


COMMENTS = "issues/1/comments"


def test_a_comment_may_have_65536_characters_and_no_more(playground: Playground) -> None:
    playground.comment(1, "ü" * 65_536)

    refused(playground.call("POST", COMMENTS, {"body": "ü" * 65_537}), 422, "Body is too long")
    refused(playground.call("POST", COMMENTS, {"body": " "}), 422, "missing_field")


def test_a_private_repository_is_hidden_from_users_without_access(playground: Playground) -> None:
    playground.ask("PATCH", "", {"private": True})

    refused(playground.call("GET", "", as_="reader"), 404, "Not Found")
    refused(playground.call("POST", COMMENTS, {"body": "x"}, as_="reader"), 404, "Not Found")
    playground.set_permission("reader", "pull")
    playground.comment(1, "now I may", as_="reader")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "issues/1/labels", {"labels": ["forgehand"]}),
        ("POST", f"statuses/{'0' * 40}", {"state": "success"}),
        ("POST", "pulls", {"title": "x", "head": "main", "base": "main"}),
        ("GET", "collaborators/ann/permission", None),
        ("PATCH", "", {"name": "mine"}),
    ],
)
def test_a_reader_is_refused_actions_that_need_more_rights(
    playground: Playground, method: str, path: str, body: Any
) -> None:
    refused(playground.call(method, path, body, as_="reader"), 403, "Must have")


def test_people_may_edit_their_own_comments_and_writers_all_comments(playground: Playground) -> None:
    by_ann, by_reader = playground.comment(1, "hers"), playground.comment(1, "mine", as_="reader")
    edit = {"body": "changed"}

    refused(playground.call("PATCH", f"issues/comments/{by_ann}", edit, as_="reader"), 403, "admin rights")
    playground.edit(by_reader, "changed", as_="reader")
    playground.edit(by_reader, "changed", as_="bot")


def test_collaborators_are_reported_with_both_of_githubs_permission_names(playground: Playground) -> None:
    playground.set_permission("reader", "triage")
    asked = {
        login: f"collaborators/{login}/permission" for login in ("ann", "forgehand", "reader", "otherbot")
    }

    answers = {login: playground.ask("GET", path) for login, path in asked.items()}

    words = {login: (row["permission"], row["role_name"]) for login, row in answers.items()}
    assert words["ann"] == ("admin", "admin")
    assert words["forgehand"] == ("write", "write")
    assert words["reader"] == ("read", "triage")
    assert words["otherbot"] == ("read", "read")
    refused(playground.call("GET", "collaborators/nobody/permission"), 404, "Not Found")


def test_locked_archived_and_deleted_threads_refuse_comments(playground: Playground) -> None:
    said = {"body": "too late"}
    locked, deleted = playground.open_issue("locked"), playground.open_issue("deleted")
    playground.lock(locked)
    playground.delete_issue(deleted)

    refused(playground.call("POST", f"issues/{locked}/comments", said, as_="bot"), 403, "issue is locked")
    refused(playground.call("POST", f"issues/{deleted}/comments", said, as_="bot"), 410, "deleted")
    refused(playground.call("POST", "issues/99/comments", said, as_="bot"), 404, "Not Found")
    playground.archive()
    refused(playground.call("POST", COMMENTS, said, as_="bot"), 403, "archived")
    playground.ask("DELETE", "")
    assert playground.call("GET", "").status_code == 404


def test_a_missing_or_wrong_login_is_refused(playground: Playground) -> None:
    url = f"{playground.api_url}/repos/{playground.path}/{COMMENTS}"

    refused(http.post(url, json={"body": "x"}), 401, "Requires authentication")
    refused(http.get(url, headers={"Authorization": "Bearer no"}), 401, "Bad credentials")
    assert http.get(url).status_code == 200


def test_a_renamed_repository_redirects_to_its_id(playground: Playground) -> None:
    old = f"{playground.api_url}/repos/{playground.path}/{COMMENTS}"
    token = {"Authorization": f"Bearer {playground.token}"}
    playground.rename("hammer")

    reading, writing = (
        http.get(f"{old}?page=2", headers=token),
        http.post(old, headers=token, json={"body": "x"}),
    )

    there = f"{playground.api_url}/repositories/{playground.repository_id}/{COMMENTS}"
    assert (reading.status_code, reading.headers["location"]) == (301, f"{there}?page=2")
    assert (writing.status_code, writing.headers["location"]) == (307, there)
    assert writing.json()["url"] == there
    assert playground.comments(1) == []


def test_statuses_have_limits(playground: Playground) -> None:
    sha = playground.branch_head("main")
    assert sha
    path, good = f"statuses/{sha}", {"state": "success", "context": "forgehand"}

    refused(playground.call("POST", f"statuses/{'1' * 40}", good), 422, "No commit found for SHA")
    refused(playground.call("POST", path, {**good, "description": "x" * 141}), 422, "too long")
    refused(playground.call("POST", path, {"state": "done"}), 422, "not included in the list")
    first = playground.ask("POST", path, {**good, "description": "x" * 140})
    row = playground.ground.state.get(Status, first["id"])
    assert row
    for number in range(999):
        playground.ground.state.put(replace(row, id=1_000_000 + number))
    refused(playground.call("POST", path, good), 422, "maximum number of statuses")
    playground.ask("POST", path, {**good, "context": "another"})


def test_the_newest_status_of_each_context_is_combined(playground: Playground) -> None:
    sha = playground.branch_head("main")
    for context, state in (("a", "failure"), ("a", "success"), ("b", "pending")):
        playground.ask("POST", f"statuses/{sha}", {"state": state, "context": context})

    both = playground.ask("GET", f"commits/{sha}/status")

    assert (both["state"], both["total_count"]) == ("pending", 2)
    assert [row["state"] for row in playground.statuses(str(sha))] == ["pending", "success", "failure"]


def test_a_branch_with_commits_gets_one_pull_request(playground: Playground) -> None:
    push_commit(playground, "topic")
    wanted = {"title": "Topic", "head": "topic", "base": "main"}
    playground.ask("POST", "pulls", wanted)

    again = playground.call("POST", "pulls", wanted)
    refused(again, 422, "A pull request already exists for acme:topic.")
    assert again.json()["errors"][0]["code"] == "custom"
    empty = playground.call("POST", "pulls", {**wanted, "head": "main"})
    refused(empty, 422, "No commits between main and main")
    missing = playground.call("POST", "pulls", {**wanted, "head": "nowhere"}).json()
    assert missing["errors"] == [{"resource": "PullRequest", "code": "invalid", "field": "head"}]


def test_requests_are_counted_and_refused_at_the_limit(playground: Playground) -> None:
    left = [int(playground.call("GET", "", as_="bot").headers["x-ratelimit-remaining"]) for _ in range(2)]
    assert left[0] == left[1] + 1

    playground.exhaust("forgehand", 60)

    answer = playground.call("GET", "", as_="bot")
    refused(answer, 403, "API rate limit exceeded")
    assert answer.headers["x-ratelimit-remaining"] == "0"
    assert playground.call("GET", "").status_code == 200


def test_label_names_ignore_case_and_have_at_most_fifty_characters(playground: Playground) -> None:
    playground.label(1, "ForgeHand")
    playground.label(1, "forgehand")

    assert playground.labels(1) == ["ForgeHand"]
    refused(playground.call("POST", "issues/1/labels", {"labels": ["x" * 51]}), 422, "name is too long")
    playground.ask("DELETE", "issues/1/labels/FORGEHAND")
    refused(playground.call("DELETE", "issues/1/labels/forgehand"), 404, "Label does not exist")


def test_each_person_reacts_once(playground: Playground) -> None:
    comment = playground.comment(1, "hello")
    path = f"issues/comments/{comment}/reactions"

    codes = [
        playground.call("POST", path, {"content": "eyes"}, as_=who).status_code
        for who in ("bot", "bot", "ann")
    ]

    assert codes == [201, 200, 201]
    assert playground.reactions(comment) == ["eyes", "eyes"]


def test_pages_of_comments_work_with_pygithub(playground: Playground) -> None:
    ids = [playground.comment(1, f"number {number}") for number in range(7)]
    github = Github(
        auth=Auth.Token(playground.token),
        base_url=playground.api_url,
        per_page=3,
        seconds_between_requests=None,
    )

    with github:
        found = [
            comment.id for comment in github.get_repo(playground.repository_id).get_issue(1).get_comments()
        ]

    assert found == ids
    assert playground.ask("GET", "issues/1/comments?since=2100-01-01T00:00:00Z") == []
