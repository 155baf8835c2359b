"""Statuses of commits, in the project and in a fork."""

from dataclasses import replace
from urllib.parse import quote

import pytest

from bot.domain.change import CheckState
from bot.domain.errors import ForgeError
from bot.domain.thread import Kind, Thread
from bot.forges.gitlab.adapter import GitLab
from tests.forges.adapter_calls import status
from tests.forges.gitlab.scripted_project import ANVIL, CHANGE, PLACE
from tests.support.playground_clones import push_commit
from tests.support.playground_faults import Fault, Faults
from tests.support.playground_gitlab import GitLabPlayground
from tests.support.scripted_server import Response, Server


def test_a_repeated_status_is_one_status_and_a_long_description_is_cut(
    forge: GitLab, playground: GitLabPlayground, thread: Thread
) -> None:
    sha = push_commit(playground, "topic")
    for _ in range(2):
        forge.set_status(thread, sha, status(CheckState.PENDING))
    (first,) = playground.statuses(sha)
    forge.set_status(
        thread, sha, status(CheckState.SUCCESS, "é" * 300, url="https://bot.example/" + "t" * 255)
    )
    (last,) = playground.statuses(sha)

    assert (first["status"], first["name"], first["target_url"]) == (
        "pending",
        "forgehand",
        "https://bot.example/t1",
    )
    assert (last["status"], last["description"], last["target_url"]) == (
        "success",
        "é" * 255,
        "https://bot.example/t1",
    )


@pytest.mark.parametrize("verdict", [CheckState.FAILURE, CheckState.ERROR])
def test_a_failure_or_an_error_is_set_as_failed_even_after_a_success(
    forge: GitLab, playground: GitLabPlayground, thread: Thread, verdict: CheckState
) -> None:
    sha = push_commit(playground, "topic")
    forge.set_status(thread, sha, status(CheckState.SUCCESS, url=""))
    forge.set_status(thread, sha, status(verdict, url=""))

    assert [each["status"] for each in playground.statuses(sha)] == ["failed", "success"]


def test_an_invalid_status_is_refused_with_the_reason(scripted: GitLab, server: Server) -> None:
    server.script = [Response(400, {"message": {"target_url": ["is blocked"]}})]

    with pytest.raises(ForgeError, match="target_url is blocked"):
        scripted.set_status(ANVIL, "a" * 40, status(CheckState.ERROR))


def test_the_status_of_a_forks_head_is_set_in_the_fork(scripted: GitLab, server: Server) -> None:
    server.script = [
        Response(404, {"message": "404 References for commit Not Found"}),
        Response(200, {"source_project_id": 8}),
        Response(201, {}),
    ]

    scripted.set_status(CHANGE, "a" * 40, status(CheckState.SUCCESS))

    assert [path for _, path, _ in server.asked] == [
        f"{PLACE}/statuses/{'a' * 40}",
        f"{PLACE}/merge_requests/3",
        f"/api/v3/api/v4/projects/8/statuses/{'a' * 40}",
    ]
    assert server.asked[0][2] == server.asked[2][2]


def test_a_change_from_a_fork_is_recognized_and_its_status_needs_rights_in_the_fork(
    forge: GitLab, playground: GitLabPlayground, thread: Thread
) -> None:
    path = playground.fork("eve")
    sha = push_commit(playground, "topic", path=path, as_="eve")
    number = playground.open_pull("Theirs", head="eve:topic", as_="eve")
    change = replace(thread, kind=Kind.CHANGE, number=number)

    head = forge.change_head(change)

    assert (head.head, head.same_repository, head.default_branch) == (sha, False, "main")
    with pytest.raises(ForgeError, match="403"):
        forge.set_status(change, sha, status(CheckState.PENDING))
    fork = f"/api/v4/projects/{quote(path, safe='')}"
    bot = {"user_id": playground.user_id("bot"), "access_level": 30}
    playground.ask("POST", f"{fork}/members", bot, as_="eve")
    forge.set_status(change, sha, status(CheckState.PENDING))
    assert len(playground.ask("GET", f"{fork}/repository/commits/{sha}/statuses", as_="eve")) == 1


@pytest.mark.parametrize("code", [403, 404])
def test_a_status_that_the_fork_does_not_accept_is_refused(
    scripted: GitLab, server: Server, code: int
) -> None:
    missing = {"error": "404 Not Found"}
    server.script = [Response(404, missing), Response(200, {"source_project_id": 8}), Response(code, missing)]

    with pytest.raises(ForgeError, match=str(code)):
        scripted.set_status(CHANGE, "a" * 40, status(CheckState.SUCCESS))


@pytest.mark.parametrize("source", [None, 7])
def test_the_first_refusal_of_a_status_is_reported_if_there_is_no_fork(
    scripted: GitLab, server: Server, source: int | None
) -> None:
    server.script = [
        Response(404, {"message": "404 Commit Not Found"}),
        Response(200, {"source_project_id": source}),
    ]

    with pytest.raises(ForgeError, match="404 Commit Not Found"):
        scripted.set_status(CHANGE, "a" * 40, status(CheckState.SUCCESS))
    assert len(server.asked) == 2


def test_a_status_on_a_change_from_the_project_itself_does_not_read_the_change(
    forge: GitLab, playground: GitLabPlayground, change: Thread, faults: Faults
) -> None:
    sha = playground.branch_head("topic")
    assert sha is not None
    faults.inject(Fault.BAD_GATEWAY, "GET", "/merge_requests/", times=9)

    forge.set_status(change, sha, status(CheckState.PENDING))

    assert faults.hit == []
