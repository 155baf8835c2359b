"""git over HTTP against the playground, with real git on both sides."""

import gzip
import os
from pathlib import Path

import pytest

from tests.support import http
from tests.support.playground_clones import clone, commit, git, push, push_commit
from tests.support.playground_github import Playground


@pytest.fixture
def work(playground: Playground, tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    clone(playground, folder)
    commit(folder)
    return folder


def test_a_public_repository_needs_no_login_to_clone_and_a_private_one_needs_it(
    playground: Playground, tmp_path: Path
) -> None:
    clone(playground, tmp_path / "public")
    assert (tmp_path / "public" / "anvil" / "parser.py").exists()

    playground.ask("PATCH", "", {"private": True})

    assert git("ls-remote", playground.clone_url).returncode == 128
    assert "not found" in git("ls-remote", playground.clone_url, token=playground.tokens["reader"]).stderr
    assert git("ls-remote", playground.clone_url, token=playground.token).returncode == 0


def test_pushes_of_any_size_are_accepted_from_users_with_write_access(
    playground: Playground, work: Path
) -> None:
    # Above http.postBuffer (1 MiB), git sends the pack in chunks without a Content-Length.
    (work / "big.bin").write_bytes(os.urandom(5_000_000))
    head = commit(work)

    assert "denied to reader" in push(work, playground, "topic", as_="reader").stderr
    done = push(work, playground, "topic", as_="bot")

    assert done.returncode == 0, done.stderr
    assert playground.branch_head("topic") == head


def test_compressed_requests_are_read(playground: Playground) -> None:
    headers = {
        "Content-Type": "application/x-git-upload-pack-request",
        "Content-Encoding": "gzip",
        "Git-Protocol": "version=2",
    }
    question = gzip.compress(b"0014command=ls-refs\n00010000")  # the format is in gitprotocol-v2(5)

    answer = http.post(f"{playground.clone_url}/git-upload-pack", content=question, headers=headers)

    assert b"refs/heads/main" in answer.content


def test_a_missing_or_wrong_token_is_refused(playground: Playground, work: Path) -> None:
    assert "could not read Username" in git("push", playground.clone_url, "HEAD:x", cwd=work).stderr
    assert git("push", playground.clone_url, "HEAD:x", token="wrong", cwd=work).returncode == 128


def test_a_push_to_a_protected_branch_is_refused_with_githubs_message(
    playground: Playground, work: Path
) -> None:
    playground.protect("release/*")

    refused = push(work, playground, "release/1")

    assert "! [remote rejected] HEAD -> release/1 (protected branch hook declined)" in refused.stderr
    assert "GH006" in refused.stderr
    assert push(work, playground, "topic").returncode == 0
    playground.unprotect("release/*")
    assert push(work, playground, "release/1").returncode == 0


def test_without_the_permission_only_workflows_of_the_default_branch_are_pushed(
    playground: Playground, work: Path
) -> None:
    workflow = work / ".github" / "workflows" / "ci.yml"
    workflow.parent.mkdir(parents=True)
    workflow.write_text("on: push\n")
    commit(work, "1\n")
    playground.allow_workflows("forgehand", allowed=False)

    refused = push(work, playground, "topic", as_="bot")

    assert "(refusing to allow a Personal Access Token to create or update workflow" in refused.stderr
    assert "`.github/workflows/ci.yml` without `workflow` scope)" in refused.stderr
    assert playground.branch_head("topic") is None
    assert push(work, playground, "main").returncode == 0
    commit(work, "2\n")
    assert push(work, playground, "topic", as_="bot").returncode == 0
    workflow.write_text("on: pull_request\n")
    commit(work, "3\n")
    assert push(work, playground, "topic", as_="bot").returncode != 0
    workflow.unlink()
    commit(work, "4\n")
    assert push(work, playground, "without", as_="bot").returncode == 0
    playground.allow_workflows("forgehand", allowed=True)
    workflow.write_text("on: pull_request\n")
    commit(work, "5\n")
    assert push(work, playground, "topic", as_="bot").returncode == 0


def test_a_repository_disappears_and_returns(playground: Playground, work: Path) -> None:
    playground.remove_git()
    assert "Repository not found" in push(work, playground, "topic").stderr
    assert playground.comments(1) == []

    playground.restore_git()

    assert push(work, playground, "topic").returncode == 0


def test_a_renamed_repository_has_both_paths(playground: Playground, work: Path) -> None:
    old = playground.clone_url
    playground.rename("hammer")

    assert git("ls-remote", old).stdout == git("ls-remote", playground.clone_url).stdout != ""


def test_a_pull_requests_head_moves_with_its_branch(playground: Playground, work: Path) -> None:
    push(work, playground, "topic")
    number = playground.open_pull("Topic", head="topic")
    head = commit(work, "again\n")

    push(work, playground, "topic")

    assert playground.pulls()[0]["head"]["sha"] == head
    assert f"{head}\trefs/pull/{number}/head" in git("ls-remote", playground.clone_url).stdout
    hidden = git(
        "push", playground.clone_url, f"HEAD:refs/pull/{number}/head", token=playground.token, cwd=work
    )
    assert "hidden ref" in hidden.stderr


def test_deleting_the_branch_closes_its_pull_request(playground: Playground, work: Path) -> None:
    push_commit(playground, "topic")
    playground.open_pull("Topic", head="topic")

    git("push", playground.clone_url, ":refs/heads/topic", token=playground.token, cwd=work)

    assert playground.pulls()[0]["state"] == "closed"


def test_an_archived_repository_accepts_no_push(playground: Playground, work: Path) -> None:
    playground.archive()

    assert "archived" in push(work, playground, "topic").stderr
