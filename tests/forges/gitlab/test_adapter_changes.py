"""Merge requests, from the project and from a fork, as the adapter reads and opens them."""

import pytest

from bot.domain.errors import ForgeError
from bot.domain.thread import Thread
from bot.forges.gitlab.adapter import GitLab
from tests.forges.adapter_calls import new_change
from tests.forges.gitlab.scripted_project import ANVIL, CHANGE
from tests.support.playground_clones import push_commit
from tests.support.playground_gitlab import GitLabPlayground
from tests.support.scripted_server import Response, Server


@pytest.mark.parametrize("fork", [None, 8])
@pytest.mark.parametrize("state", ["merged", "closed", "locked"])
def test_a_change_from_a_fork_is_recognized_even_if_the_fork_is_deleted(
    scripted: GitLab, server: Server, fork: int | None, state: str
) -> None:
    branches = {"sha": "a" * 40, "source_branch": "topic", "target_branch": "1.x"}
    project = {"id": 7, "path_with_namespace": "acme/anvil", "web_url": "https://gitlab.com/acme/anvil"}
    server.script = [
        Response(200, {**branches, "source_project_id": fork, "target_project_id": 7, "state": state}),
        Response(200, {**project, "default_branch": "main"}),
    ]

    found = scripted.change_head(CHANGE)

    assert (found.base_branch, found.default_branch) == ("1.x", "main")
    assert not found.same_repository
    assert not found.open


def test_a_change_without_commits_is_refused(scripted: GitLab, server: Server) -> None:
    server.script = [Response(200, {"sha": None})]

    with pytest.raises(ForgeError, match="no commits"):
        scripted.change_head(CHANGE)


def test_a_long_title_is_cut(forge: GitLab, playground: GitLabPlayground, thread: Thread) -> None:
    push_commit(playground, "topic")

    assert forge.open_change(thread, new_change("topic", draft=False, title="é" * 300))
    assert playground.pulls()[0]["title"] == "é" * 255


def test_a_change_from_a_fork_with_the_same_branch_name_is_not_the_bots_change(
    scripted: GitLab, server: Server
) -> None:
    theirs = {"iid": 9, "web_url": "https://gitlab.com/x", "source_project_id": 8}
    ours = {"iid": 5, "web_url": "https://gitlab.com/y", "source_project_id": 7}
    exists = Response(
        409, {"message": ["Another open merge request already exists for this source branch: !5"]}
    )
    commits = Response(200, {"commits": [{}]})
    server.script = [commits, exists, Response(200, [theirs, ours])]

    change = scripted.open_change(ANVIL, new_change("topic"))

    assert change is not None
    assert change.number == 5
    server.script = [commits, exists, Response(200, [theirs])]
    with pytest.raises(ForgeError, match="already exists"):
        scripted.open_change(ANVIL, new_change("topic"))


def test_a_change_is_opened_if_the_comparison_of_branches_timed_out(scripted: GitLab, server: Server) -> None:
    server.script = [
        Response(200, {"commits": [], "compare_timeout": True}),
        Response(201, {"iid": 5, "web_url": "https://gitlab.com/acme/anvil/-/merge_requests/5"}),
    ]

    assert scripted.open_change(ANVIL, new_change("topic"))
