"""API v4 as clients see it: names, refusals, pages, limits."""

import base64
from pathlib import Path

import gitlab
import httpx
import pytest
from gitlab.exceptions import GitlabCreateError

from tests.support import http
from tests.support.gitlab_as_github import Change
from tests.support.playground_clones import git, push_commit
from tests.support.playground_gitlab import GitLabPlayground


def client(ground: GitLabPlayground, login: str = "ann") -> gitlab.Gitlab:
    return gitlab.Gitlab(ground.url, private_token=ground.tokens[login], retry_transient_errors=False)


def message(answer: httpx.Response) -> object:
    return answer.json()["message"]


def test_python_gitlab_reads_and_writes_what_a_bot_needs(gitlab_side: GitLabPlayground) -> None:
    api = client(gitlab_side, "bot")
    api.auth()
    assert api.user is not None
    assert api.user.username == "forgehand"
    project = api.projects.get("acme/anvil")
    assert (project.id, project.http_url_to_repo) == (gitlab_side.repository_id, gitlab_side.clone_url)
    issue = project.issues.get(1)
    note = issue.notes.create({"body": "/run tidy it"})
    note.body = "edited"
    note.save()
    issue.awardemojis.create({"name": "eyes"})
    issue.notes.get(note.id).awardemojis.create({"name": "eyes"})

    assert issue.notes.get(note.id).body == "edited"
    assert gitlab_side.reactions(note.id) == gitlab_side.issue_reactions(1) == ["eyes"]
    with pytest.raises(GitlabCreateError, match="Award Emoji Name has already been taken") as caught:
        issue.awardemojis.create({"name": "eyes"})
    assert caught.value.response_code == 404
    assert project.members_all.get(api.user.id).access_level == 30
    note.delete()
    assert issue.notes.list(get_all=True) == []


def test_a_project_is_not_found_by_users_without_access(gitlab_side: GitLabPlayground) -> None:
    wrong = http.get(f"{gitlab_side.url}/api/v4/user", headers={"PRIVATE-TOKEN": "wrong"})
    assert (wrong.status_code, wrong.json()) == (401, {"message": "401 Unauthorized"})
    assert http.post(f"{gitlab_side.url}/api/v4/projects/1006/issues").status_code == 401
    assert message(gitlab_side.call("GET", "/api/v4/projects/acme%2Fnothing")) == "404 Project Not Found"
    gitlab_side.ask("PUT", "", {"visibility": "private"})
    hidden = gitlab_side.call("GET", "", as_="reader")
    assert (hidden.status_code, message(hidden)) == (404, "404 Project Not Found")
    assert gitlab_side.call("POST", "hooks", {"url": "http://x"}, as_="bot").status_code == 403
    reader = gitlab_side.user_id("reader")
    assert gitlab_side.call("GET", f"members/all/{reader}").status_code == 404
    gitlab_side.set_permission("reader", "push")
    assert gitlab_side.ask("GET", f"members/all/{reader}")["access_level"] == 30


def test_a_renamed_project_redirects_readers_only(gitlab_side: GitLabPlayground) -> None:
    gitlab_side.rename("hammer")

    old = f"{gitlab_side.url}/api/v4/projects/acme%2Fanvil/issues?state=opened"
    token = {"PRIVATE-TOKEN": gitlab_side.token}
    moved = http.get(old, headers=token)
    refused = http.post(old, headers=token, json={"title": "x"})

    assert moved.status_code == 301
    where = f"{gitlab_side.url}/api/v4/projects/{gitlab_side.repository_id}/issues?state=opened"
    assert moved.headers["location"] == where
    assert (refused.status_code, message(refused)) == (
        405,
        "Non GET methods are not allowed for moved projects",
    )
    assert gitlab_side.comment(1, "by id") > 0
    gitlab_side.archive()
    assert gitlab_side.call("POST", "issues/1/notes", {"body": "x"}).status_code == 403


def test_issues_and_merge_requests_have_separate_numbers(gitlab_side: GitLabPlayground) -> None:
    head = push_commit(gitlab_side, "topic/one")
    second = gitlab_side.open_issue("Second")
    change = gitlab_side.open_pull("Draft: Topic", head="topic/one")

    assert (second, change) == (2, 1)
    shown = client(gitlab_side).projects.get("acme/anvil").mergerequests.get(1)
    assert (shown.sha, shown.draft, shown.title, shown.state) == (head, True, "Draft: Topic", "opened")
    assert shown.diff_refs["head_sha"] == head
    github = gitlab_side.ask("GET", "/api/v3/repos/acme/anvil/pulls/3")
    assert (github["title"], github["draft"]) == ("Topic", True)
    gitlab_side.edit_issue(change, title="Topic")
    assert gitlab_side.pulls()[0]["draft"] is False
    assert gitlab_side.branch_head("topic/one") == head


def test_lists_have_pages(gitlab_side: GitLabPlayground) -> None:
    for number in range(3):
        gitlab_side.comment(1, f"note {number}")

    first = gitlab_side.call("GET", "issues/1/notes?per_page=2&sort=asc")

    assert [note["body"] for note in first.json()] == ["note 0", "note 1"]
    pages = [first.headers[name] for name in ("x-page", "x-next-page", "x-prev-page", "x-total")]
    assert pages == ["1", "2", "", "3"]
    rest = http.get(first.links["next"]["url"])
    assert [note["body"] for note in rest.json()] == ["note 2"]
    notes = client(gitlab_side).projects.get("acme/anvil").issues.get(1).notes.list(per_page=1, get_all=True)
    assert [note.body for note in notes] == ["note 2", "note 1", "note 0"]


def test_a_text_that_is_too_long_is_refused_and_its_length_is_in_characters(
    gitlab_side: GitLabPlayground,
) -> None:
    assert gitlab_side.comment(1, "ä" * 1_000_000) > 0
    refused = gitlab_side.call("POST", "issues/1/notes", {"body": "ä" * 1_000_001})
    assert refused.status_code == 400
    assert "is too long (maximum is 1000000 characters)" in str(message(refused))
    assert gitlab_side.call("POST", "issues/1/notes", {}).json() == {"error": "body is missing"}


def test_locked_and_hidden_threads_are_for_members(gitlab_side: GitLabPlayground) -> None:
    hidden = gitlab_side.open_issue("Secret", confidential=True)
    inside = gitlab_side.comment(1, "between us", internal=True)
    gitlab_side.lock(1)

    assert gitlab_side.call("GET", f"issues/{hidden}", as_="reader").status_code == 404
    assert gitlab_side.call("GET", f"issues/1/notes/{inside}", as_="reader").status_code == 404
    assert gitlab_side.ask("GET", "issues/1/notes", as_="reader") == []
    assert gitlab_side.ask("GET", f"issues/1/notes/{inside}")["internal"] is True
    assert gitlab_side.call("POST", "issues/1/notes", {"body": "x"}, as_="reader").status_code == 403
    assert gitlab_side.comment(1, "a member", as_="bot") > 0
    gitlab_side.delete_issue(1)
    assert message(gitlab_side.call("GET", "issues/1")) == "404 Not found"


def test_reporters_add_and_remove_labels(gitlab_side: GitLabPlayground) -> None:
    gitlab_side.label(1, "forgehand")
    gitlab_side.label(1, "bug")
    assert gitlab_side.labels(1) == ["bug", "forgehand"]
    assert gitlab_side.call("PUT", "issues/1", {"add_labels": "x"}, as_="reader").status_code == 403
    gitlab_side.unlabel(1, "bug", as_="bot")

    assert gitlab_side.labels(1) == ["forgehand"]
    said = [note["body"] for note in gitlab_side.ask("GET", "issues/1/notes") if note["system"]]
    assert len(said) == 3
    assert gitlab_side.comments(1) == []
    assert [label["name"] for label in gitlab_side.ask("GET", "labels")] == ["forgehand", "bug"]


def test_a_status_changes_until_it_is_final_and_then_a_new_one_starts(gitlab_side: GitLabPlayground) -> None:
    sha = gitlab_side.branch_head("main") or ""
    commit = client(gitlab_side, "bot").projects.get("acme/anvil").commits

    def put(state: str, **more: str) -> int:
        manager = commit.get(sha, lazy=True).statuses
        return int(manager.create({"state": state, "name": "forgehand", **more}).get_id() or 0)

    first = put("pending", target_url="http://bot/tasks/1")
    with pytest.raises(
        GitlabCreateError, match="Cannot transition status via :enqueue from :pending"
    ) as caught:
        put("pending")
    assert caught.value.response_code == 400
    assert put("running") == first
    with pytest.raises(GitlabCreateError, match="Cannot transition status via :run from :running"):
        put("running")
    assert put("success", description="done") == first
    [status] = gitlab_side.statuses(sha)
    assert (status["state"], status["target_url"], status["description"]) == (
        "success",
        "http://bot/tasks/1",
        "done",
    )
    second = put("failed")
    assert second != first
    assert [row["state"] for row in gitlab_side.statuses(sha)] == ["failure", "success"]
    latest = gitlab_side.ask("GET", f"repository/commits/{sha}/statuses")
    assert [row["id"] for row in latest] == [second]
    assert gitlab_side.call("POST", f"statuses/{'0' * 40}", {"state": "success"}).status_code == 404
    long = gitlab_side.call("POST", f"statuses/{sha}", {"state": "success", "description": "x" * 256})
    assert long.status_code == 400


def test_an_exhausted_token_gets_the_time_of_its_next_request(gitlab_side: GitLabPlayground) -> None:
    gitlab_side.exhaust("forgehand", 30)

    answer = gitlab_side.call("GET", "", as_="bot")

    assert answer.status_code == 429
    assert 1 <= int(answer.headers["retry-after"]) <= 31
    assert answer.headers["ratelimit-remaining"] == "0"
    assert gitlab_side.call("GET", "").headers["ratelimit-limit"] == "5000"


def test_protection_and_removal_act_on_the_git_repository(gitlab_side: GitLabPlayground) -> None:
    gitlab_side.protect("release/*")
    with pytest.raises(AssertionError, match="protected branch hook declined"):
        push_commit(gitlab_side, "release/1")
    gitlab_side.unprotect("release/*")
    push_commit(gitlab_side, "release/1")
    gitlab_side.remove_git()
    assert gitlab_side.branch_head("release/1") is None
    gitlab_side.restore_git()
    assert gitlab_side.branch_head("release/1")
    assert isinstance(gitlab_side.open_pull("One", head="release/1"), Change)


def test_a_moved_issue_is_closed_and_copied(gitlab_side: GitLabPlayground) -> None:
    gitlab_side.ask("POST", "/_playground/repos", {"owner": "acme", "name": "other"})
    gitlab_side.label(1, "bug")
    gitlab_side.comment(1, "goes along")

    assert gitlab_side.transfer(1, "acme/other") == 1

    left = gitlab_side.ask("GET", "issues/1")
    there = gitlab_side.ask("GET", "/api/v4/projects/acme%2Fother/issues/1")
    assert (left["state"], left["moved_to_id"]) == ("closed", there["id"])
    assert (there["state"], there["labels"], there["title"]) == ("opened", ["bug"], left["title"])
    notes = gitlab_side.ask("GET", "/api/v4/projects/acme%2Fother/issues/1/notes?sort=asc")
    assert "goes along" in [note["body"] for note in notes]


def test_git_accepts_a_token_with_any_user_name_and_an_earlier_path(
    gitlab_side: GitLabPlayground, tmp_path: Path
) -> None:
    gitlab_side.ask("PUT", "", {"visibility": "private"})
    basic = base64.b64encode(f"oauth2:{gitlab_side.token}".encode()).decode()
    old = gitlab_side.clone_url
    gitlab_side.rename("hammer")

    refused = git("clone", "-q", old, str(tmp_path / "without"))
    done = git("-c", f"http.extraHeader=Authorization: Basic {basic}", "ls-remote", old, "refs/heads/main")

    assert refused.returncode != 0
    assert done.stdout.split()[0] == gitlab_side.branch_head("main")


def test_branches_are_compared_and_bots_are_recognized_by_their_names(gitlab_side: GitLabPlayground) -> None:
    head = push_commit(gitlab_side, "topic")
    there, back = "repository/compare?from=main&to=topic", "repository/compare?from=topic&to=main"

    assert [one["id"] for one in gitlab_side.ask("GET", there)["commits"]] == [head]
    assert gitlab_side.ask("GET", back)["commits"] == []
    assert gitlab_side.call("GET", "repository/compare?from=main&to=nothing").status_code == 404
    bot = gitlab_side.user_id("otherbot")
    assert gitlab_side.ask("GET", f"/api/v4/users/{bot}")["username"] == f"project_{bot}_bot_otherbot"
