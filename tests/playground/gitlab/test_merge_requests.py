"""Merge requests, their forks, and the discussions on them."""

from pathlib import Path

import gitlab
import pytest
from gitlab.exceptions import GitlabCreateError

from tests.support.playground_clones import clone, git, push_commit
from tests.support.playground_gitlab import GitLabPlayground


def test_a_second_merge_request_for_a_branch_is_refused(gitlab_side: GitLabPlayground) -> None:
    push_commit(gitlab_side, "topic")
    api = gitlab.Gitlab(gitlab_side.url, private_token=gitlab_side.token)
    changes = api.projects.get("acme/anvil").mergerequests
    wanted = {"title": "Draft: x", "source_branch": "topic", "target_branch": "main", "description": "why"}
    made = changes.create(wanted)

    assert (made.iid, made.draft, made.author["username"]) == (1, True, "forgehand")
    with pytest.raises(GitlabCreateError, match="already exists for this source branch: !1") as caught:
        changes.create(wanted)
    assert caught.value.response_code == 409
    with pytest.raises(GitlabCreateError, match="does not exist"):
        changes.create({**wanted, "source_branch": "nothing"})
    assert [one.iid for one in changes.list(state="opened", source_branch="topic", get_all=True)] == [1]
    assert changes.list(source_branch="other", get_all=True) == []
    gitlab_side.close_issue(gitlab_side.pulls()[0]["number"])
    assert changes.create(wanted).iid == 2


@pytest.mark.parametrize("through", ["gitlab", "github"])
def test_the_head_is_fetched_by_its_ref_and_moves(
    gitlab_side: GitLabPlayground, tmp_path: Path, through: str
) -> None:
    first = push_commit(gitlab_side, "topic")
    if through == "gitlab":
        assert gitlab_side.open_pull("Topic", head="topic") == 1
    else:
        gitlab_side.ask(
            "POST", "/api/v3/repos/acme/anvil/pulls", {"title": "T", "head": "topic", "base": "main"}
        )
    clone(gitlab_side, tmp_path / "clone")
    ref = "refs/merge-requests/1/head"

    assert git("fetch", "-q", "origin", ref, cwd=tmp_path / "clone").returncode == 0
    assert git("rev-parse", "FETCH_HEAD", cwd=tmp_path / "clone").stdout.strip() == first
    second = push_commit(gitlab_side, "topic", "again\n", onto="topic")

    assert gitlab_side.pulls()[0]["head"]["sha"] == second
    assert git("ls-remote", "origin", ref, cwd=tmp_path / "clone").stdout.split()[0] == second
    refused = git("push", "origin", f"HEAD:{ref}", token=gitlab_side.token, cwd=tmp_path / "clone")
    assert refused.returncode != 0


def test_a_merge_request_from_a_fork_belongs_to_the_target(
    gitlab_side: GitLabPlayground, tmp_path: Path
) -> None:
    fork = gitlab_side.fork("reader")
    head = push_commit(gitlab_side, "topic", path=fork, as_="reader")

    change = gitlab_side.open_pull("From afar", head="reader:topic", as_="reader")

    shown = gitlab_side.ask("GET", f"merge_requests/{change}")
    assert (shown["sha"], shown["target_project_id"]) == (head, gitlab_side.repository_id)
    source = gitlab_side.ask("GET", f"/api/v4/projects/{shown['source_project_id']}")
    assert source["path_with_namespace"] == "reader/anvil"
    assert source["forked_from_project"]["id"] == gitlab_side.repository_id
    assert gitlab_side.branch_head("topic") is None
    clone(gitlab_side, tmp_path / "clone")
    fetched = git("fetch", "-q", "origin", "refs/merge-requests/1/head", cwd=tmp_path / "clone")
    assert fetched.returncode == 0, fetched.stderr
    later = push_commit(gitlab_side, "topic", "more\n\n", onto="topic", path=fork, as_="reader")
    assert gitlab_side.ask("GET", f"merge_requests/{change}")["sha"] == later
    assert gitlab_side.call("PUT", f"merge_requests/{change}/merge", {}, as_="reader").status_code == 401
    gitlab_side.merge(change)
    assert gitlab_side.ask("GET", f"merge_requests/{change}")["state"] == "merged"


def test_a_reply_joins_its_discussion_on_a_line(gitlab_side: GitLabPlayground) -> None:
    push_commit(gitlab_side, "topic")
    change = gitlab_side.open_pull("Topic", head="topic")
    note = gitlab_side.inline_comment(change, "notes.txt", 1, "/run why?")
    answer = gitlab_side.reply_inline(change, note, "because", as_="bot")

    discussion = gitlab_side.discussion(change, note)

    assert [one["id"] for one in discussion["notes"]] == [note, answer]
    assert len(discussion["id"]) == 40
    assert discussion["individual_note"] is False
    first = discussion["notes"][0]
    assert (first["type"], first["position"]["new_path"], first["position"]["new_line"]) == (
        "DiffNote",
        "notes.txt",
        1,
    )
    place = f"merge_requests/{change}/discussions"
    assert gitlab_side.ask("GET", f"{place}/{discussion['id']}")["notes"] == discussion["notes"]
    assert gitlab_side.call("GET", f"{place}/{'0' * 40}").status_code == 404
    lone = gitlab_side.comment(change, "by itself")
    assert gitlab_side.discussion(change, lone)["individual_note"] is True
    gitlab_side.reply_inline(change, lone, "not any more")
    assert [one["type"] for one in gitlab_side.discussion(change, lone)["notes"]] == ["DiscussionNote"] * 2
    bad = gitlab_side.call("POST", place, {"body": "x", "position": {"position_type": "text"}})
    assert bad.status_code == 400


def test_github_shows_the_notes_that_it_also_supports(gitlab_side: GitLabPlayground) -> None:
    gitlab_side.comment(1, "for all")
    gitlab_side.comment(1, "between us", internal=True)
    gitlab_side.label(1, "bug")
    there = "/api/v3/repos/acme/anvil/issues/1/comments"
    gitlab_side.ask("POST", there, {"body": "from there"})

    assert [row["body"] for row in gitlab_side.ask("GET", there)] == ["for all", "from there"]
    assert "from there" in [row["body"] for row in gitlab_side.comments(1)]
