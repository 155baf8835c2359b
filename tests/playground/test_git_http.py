"""git over HTTP against the playground, with real git on both sides."""

import gzip
import os
from pathlib import Path

import httpx
import pytest

from tests.support.playground_clones import clone, commit, git, push, push_commit
from tests.support.playground_github import Playground


@pytest.fixture
def work(playground: Playground, tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    clone(playground, folder)
    commit(folder)
    return folder


def test_clones_a_public_repository_without_login_and_a_private_one_with(
    playground: Playground, tmp_path: Path
) -> None:
    clone(playground, tmp_path / "public")
    assert (tmp_path / "public" / "anvil" / "parser.py").exists()

    playground.ask("PATCH", "", {"private": True})

    assert git("ls-remote", playground.clone_url).returncode == 128
    assert "not found" in git("ls-remote", playground.clone_url, token=playground.tokens["reader"]).stderr
    assert git("ls-remote", playground.clone_url, token=playground.token).returncode == 0


def test_takes_pushes_of_any_size_from_who_may_write(playground: Playground, work: Path) -> None:
    # Above http.postBuffer (1 MiB) git sends the pack in chunks, without a length.
    (work / "big.bin").write_bytes(os.urandom(5_000_000))
    head = commit(work)

    assert "denied to reader" in push(work, playground, "topic", as_="reader").stderr
    done = push(work, playground, "topic", as_="bot")

    assert done.returncode == 0, done.stderr
    assert playground.branch_head("topic") == head


def test_reads_requests_compressed_as_git_compresses_long_ones(playground: Playground) -> None:
    headers = {
        "Content-Type": "application/x-git-upload-pack-request",
        "Content-Encoding": "gzip",
        "Git-Protocol": "version=2",
    }
    question = gzip.compress(b"0014command=ls-refs\n00010000")  # gitprotocol-v2(5)

    answer = httpx.post(
        f"{playground.clone_url}/git-upload-pack", content=question, headers=headers, verify=False
    )

    assert b"refs/heads/main" in answer.content


def test_asks_for_a_token_and_for_a_right_one(playground: Playground, work: Path) -> None:
    assert "could not read Username" in git("push", playground.clone_url, "HEAD:x", cwd=work).stderr
    assert git("push", playground.clone_url, "HEAD:x", token="wrong", cwd=work).returncode == 128


def test_refuses_pushes_to_protected_branches_in_githubs_words(playground: Playground, work: Path) -> None:
    playground.protect("release/*")

    refused = push(work, playground, "release/1")

    assert "! [remote rejected] HEAD -> release/1 (protected branch hook declined)" in refused.stderr
    assert "GH006" in refused.stderr
    assert push(work, playground, "topic").returncode == 0
    playground.unprotect("release/*")
    assert push(work, playground, "release/1").returncode == 0


def test_is_gone_and_comes_back(playground: Playground, work: Path) -> None:
    playground.remove_git()
    assert "Repository not found" in push(work, playground, "topic").stderr
    assert playground.comments(1) == []

    playground.restore_git()

    assert push(work, playground, "topic").returncode == 0


def test_serves_a_renamed_repository_under_both_paths(playground: Playground, work: Path) -> None:
    old = playground.clone_url
    playground.rename("hammer")

    assert git("ls-remote", old).stdout == git("ls-remote", playground.clone_url).stdout != ""


def test_moves_a_pull_requests_head_with_its_branch(playground: Playground, work: Path) -> None:
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


def test_closes_the_pull_request_of_a_deleted_branch(playground: Playground, work: Path) -> None:
    push_commit(playground, "topic")
    playground.open_pull("Topic", head="topic")

    git("push", playground.clone_url, ":refs/heads/topic", token=playground.token, cwd=work)

    assert playground.pulls()[0]["state"] == "closed"


def test_takes_no_push_into_an_archived_repository(playground: Playground, work: Path) -> None:
    playground.archive()

    assert "archived" in push(work, playground, "topic").stderr
