"""Forks of a repository, and pull requests from them."""

from pathlib import Path

import pytest

from tests.oracles.check import check_request, check_response
from tests.support.playground_clones import git, push_commit
from tests.support.playground_github import Playground
from tests.support.playground_receiver import Receiver


@pytest.fixture
def fork(playground: Playground) -> str:
    return playground.fork("ben")


def test_a_fork_is_a_copy_under_the_callers_login(playground: Playground, fork: str) -> None:
    again = playground.call("POST", "forks", {}, as_="ben")

    assert fork == "ben/anvil"
    check_request("POST", again.url.path, {})
    check_response("POST", again.url.path, again.status_code, again.json())
    assert (again.status_code, again.json()["parent"]["full_name"]) == (202, "acme/anvil")
    assert again.json()["permissions"]["admin"]
    heads = [git("ls-remote", f"{playground.url}/{path}.git").stdout for path in (fork, playground.path)]
    assert heads[0] == heads[1] != ""


def test_a_fork_has_its_own_objects(playground: Playground, fork: str, tmp_path: Path) -> None:
    playground.remove_git()

    assert git("clone", "-q", f"{playground.url}/{fork}.git", str(tmp_path / "copy")).returncode == 0


def test_the_head_of_a_forks_pull_request_is_fetched_from_the_base(playground: Playground, fork: str) -> None:
    sha = push_commit(playground, "topic", path=fork, as_="ben")

    number = playground.open_pull("Topic", head="ben:topic", as_="ben")

    answer = playground.call("GET", f"pulls/{number}")
    pull = answer.json()
    check_response("GET", answer.url.path, 200, pull)
    assert (pull["head"]["label"], pull["head"]["repo"]["full_name"]) == ("ben:topic", fork)
    assert (pull["head"]["repo"]["fork"], pull["base"]["repo"]["full_name"]) == (True, "acme/anvil")
    assert (pull["head"]["sha"], pull["commits"], pull["changed_files"]) == (sha, 1, 1)
    assert f"{sha}\trefs/pull/{number}/head" in git("ls-remote", playground.clone_url).stdout
    assert playground.branch_head("topic") is None


def test_a_push_to_a_fork_moves_the_pull_requests_head(playground: Playground, fork: str) -> None:
    push_commit(playground, "topic", path=fork, as_="ben")
    number = playground.open_pull("Topic", head="ben:topic", as_="ben")
    with Receiver() as receiver:
        playground.set_webhook(receiver.url)
        sha = push_commit(playground, "topic", "more still\n", onto="topic", path=fork, as_="ben")
        told = receiver.find("pull_request", "synchronize")

    assert (told["after"], told["sender"]["login"]) == (sha, "ben")
    assert told["repository"]["full_name"] == "acme/anvil"
    assert f"{sha}\trefs/pull/{number}/head" in git("ls-remote", playground.clone_url).stdout


def test_a_deleted_fork_disappears_from_its_pull_request(playground: Playground, fork: str) -> None:
    sha = push_commit(playground, "topic", path=fork, as_="ben")
    number = playground.open_pull("Topic", head="ben:topic", as_="ben")

    playground.ask("DELETE", f"/api/v3/repos/{fork}", as_="ben")

    # GitHub's OpenAPI file documents this null only in its description of webhooks.
    pull = playground.ask("GET", f"pulls/{number}")
    assert (pull["head"]["repo"], pull["head"]["label"], pull["state"]) == (None, "ben:topic", "closed")
    assert f"{sha}\trefs/pull/{number}/head" in git("ls-remote", playground.clone_url).stdout


def test_pull_requests_of_a_fork_are_found_by_login_and_branch(playground: Playground, fork: str) -> None:
    push_commit(playground, "topic", path=fork, as_="ben")
    wanted = {"title": "Topic", "head": "ben:topic", "base": "main"}
    number = playground.open_pull("Topic", head="ben:topic", as_="ben")

    again = playground.call("POST", "pulls", wanted, as_="ben")
    nobody = playground.call("POST", "pulls", {**wanted, "head": "reader:topic"}, as_="ben")

    assert "A pull request already exists for ben:topic." in again.text
    assert nobody.json()["errors"][0]["field"] == "head"
    assert [row["number"] for row in playground.ask("GET", "pulls?head=ben:topic")] == [number]
    assert playground.ask("GET", "pulls?head=acme:topic") == []


def test_only_the_owner_can_push_to_a_fork(playground: Playground, fork: str) -> None:
    with pytest.raises(AssertionError, match="denied to forgehand"):
        push_commit(playground, "topic", path=fork, as_="bot")
    push_commit(playground, "topic", path=fork, as_="ben")

    refused = playground.call(
        "POST", "pulls", {"title": "x", "head": "ben:topic", "base": "main"}, as_="reader"
    )
    assert refused.status_code == 403
