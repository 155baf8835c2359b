"""Mirrors of remotes: which refs a fetch adds, retains and removes."""

import fcntl
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bot.domain.errors import GitFailed, RemoteMissing, RemoteUnavailable
from bot.domain.interrupt import within
from bot.git.fetch import fetch
from bot.git.mirror import Mirror
from tests.sandbox.export_source import commit, git
from tests.support.worker_bench import until


@pytest.fixture
def upstream(tmp_path: Path) -> Path:
    path = tmp_path / "upstream"
    path.mkdir()
    git(path, "init", "-q")
    commit(path, {"a": "1\n"})
    return path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "mirrors"


def fetch_upstream(root: Path, upstream: Path) -> Mirror:
    return fetch(Mirror(root / "key.git"), f"file://{upstream}", {})


def test_heads_changes_and_the_default_branch_are_known_after_a_fetch(root: Path, upstream: Path) -> None:
    head = git(upstream, "rev-parse", "HEAD")
    git(upstream, "branch", "other")
    git(upstream, "update-ref", "refs/pull/7/head", head)
    git(upstream, "update-ref", "refs/merge-requests/8/head", head)

    mirror = fetch_upstream(root, upstream)

    assert mirror.default_branch == "main"
    assert {mirror.head("main"), mirror.head("other"), mirror.change_head(7), mirror.change_head(8)} == {head}
    assert (mirror.head("none"), mirror.change_head(9)) == ("", "")
    assert mirror.has(head)
    assert not mirror.has("0" * 40)


def test_the_merge_base_of_a_change_is_known(root: Path, upstream: Path) -> None:
    left = git(upstream, "rev-parse", "HEAD")
    git(upstream, "checkout", "-q", "-b", "other")
    theirs = commit(upstream, {"b": "1\n"})
    git(upstream, "checkout", "-q", "main")
    commit(upstream, {"c": "1\n"})
    git(upstream, "checkout", "-q", "--orphan", "unrelated")
    git(upstream, "commit", "-q", "-m", "Begin anew")

    mirror = fetch_upstream(root, upstream)

    assert mirror.merge_base(theirs, "main") == left
    with pytest.raises(GitFailed, match="has no common ancestor with `main`"):
        mirror.merge_base(mirror.head("unrelated"), "main")


def test_tags_that_a_commit_or_an_ancestor_has_are_known_after_a_fetch(root: Path, upstream: Path) -> None:
    first = git(upstream, "rev-parse", "HEAD")
    git(upstream, "tag", "light")
    git(upstream, "tag", "-a", "-m", "One", "releases/v1")
    git(upstream, "commit", "-q", "--allow-empty", "-m", "Later")
    git(upstream, "tag", "later")
    mirror = fetch_upstream(root, upstream)

    assert mirror.tags(first) == {"light": first, "releases/v1": git(upstream, "rev-parse", "releases/v1")}
    assert set(mirror.tags(git(upstream, "rev-parse", "HEAD"))) == {"light", "later", "releases/v1"}
    git(upstream, "tag", "-d", "later")
    assert "later" not in fetch_upstream(root, upstream).tags(git(upstream, "rev-parse", "HEAD"))


def test_submodules_of_a_commit_are_known(root: Path, upstream: Path) -> None:
    first = git(upstream, "rev-parse", "HEAD")
    (upstream / ".gitmodules").write_text("[submodule]\n")
    git(upstream, "add", ".gitmodules")
    for path in ("lib", "vendor/a b"):
        git(upstream, "update-index", "--add", "--cacheinfo", f"160000,{first},{path}")
    git(upstream, "commit", "-q", "-m", "Submodules")
    mirror = fetch_upstream(root, upstream)

    assert mirror.submodules(git(upstream, "rev-parse", "HEAD")) == ["lib", "vendor/a b"]
    assert mirror.submodules(first) == []


def test_a_later_fetch_follows_forced_and_deleted_branches(root: Path, upstream: Path) -> None:
    git(upstream, "branch", "gone")
    fetch_upstream(root, upstream)
    git(upstream, "branch", "-D", "gone")
    git(upstream, "branch", "gone/below")
    git(upstream, "commit", "-q", "--amend", "-m", "Other")

    mirror = fetch_upstream(root, upstream)

    assert mirror.head("main") == git(upstream, "rev-parse", "HEAD")
    assert mirror.head("gone") == ""
    assert mirror.head("gone/below")


def test_a_renamed_default_branch_is_noticed(root: Path, upstream: Path) -> None:
    fetch_upstream(root, upstream)
    git(upstream, "branch", "-m", "main", "trunk")

    assert fetch_upstream(root, upstream).default_branch == "trunk"


def test_heads_retained_for_a_task_remain_until_they_are_released(root: Path, upstream: Path) -> None:
    mirror = fetch_upstream(root, upstream)
    old = mirror.head("main")
    mirror.retain_heads("t1", [old, old])
    git(upstream, "commit", "-q", "--amend", "-m", "Other")
    fetch_upstream(root, upstream)
    git(mirror.path, "gc", "-q", "--prune=now")

    assert mirror.retained_heads("t1") == [old]
    assert mirror.has(old)

    mirror.release_heads("t1")
    assert mirror.retained_heads("t1") == []


def test_a_remote_whose_head_names_no_branch_has_no_default_branch(root: Path, upstream: Path) -> None:
    git(upstream, "branch", "other")
    git(upstream, "symbolic-ref", "HEAD", "refs/heads/nothing")

    mirror = fetch_upstream(root, upstream)

    assert mirror.default_branch == ""
    assert mirror.head("other")


def test_an_empty_repository_is_reported_as_empty(root: Path, tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "empty")

    with pytest.raises(GitFailed, match="repository is empty"):
        fetch_upstream(root, tmp_path / "empty")


def test_a_missing_remote_and_an_unavailable_one_are_different_errors(root: Path, tmp_path: Path) -> None:
    with pytest.raises(RemoteMissing):
        fetch_upstream(root, tmp_path / "nothing")
    with pytest.raises(RemoteUnavailable):
        fetch(Mirror(root / "key.git"), "http://127.0.0.1:1/x", {})


def test_simultaneous_fetches_all_succeed(root: Path, upstream: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        mirrors = list(pool.map(lambda _: fetch_upstream(root, upstream), range(4)))

    assert {mirror.head("main") for mirror in mirrors} == {git(upstream, "rev-parse", "HEAD")}


def is_locked(lock: Path) -> bool:
    with lock.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


@pytest.mark.waits
def test_the_git_process_of_a_killed_worker_still_locks_the_mirror(root: Path) -> None:
    """Otherwise the second fetch would remove locks that the first one still needs."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/anvil"
        path = str(root / "key.git")
        program = "import pathlib; from bot.git.fetch import fetch; from bot.git.mirror import Mirror; "
        fetches = f"fetch(Mirror(pathlib.Path({path!r})), {url!r}, {{}})"
        worker = subprocess.Popen([sys.executable, "-c", program + fetches])
        with silent.accept()[0]:
            worker.kill()
            worker.wait()
            assert is_locked(root / "key.lock")

    until(lambda: not is_locked(root / "key.lock"))


def test_a_check_ends_the_wait_for_an_unresponsive_remote(root: Path, upstream: Path) -> None:
    mirror = fetch_upstream(root, upstream)
    head = commit(upstream, {"b": "1\n"})
    began = time.monotonic()

    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(TimeoutError):
        fetch(mirror, f"http://127.0.0.1:{silent.getsockname()[1]}/anvil", {}, check=within(1))

    assert time.monotonic() - began < 30
    until(lambda: not is_locked(root / "key.lock"))
    assert fetch_upstream(root, upstream).head("main") == head


def test_a_check_ends_the_wait_for_another_fetch(root: Path, upstream: Path) -> None:
    fetch_upstream(root, upstream)
    with (root / "key.lock").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        began = time.monotonic()

        with pytest.raises(TimeoutError):
            fetch(Mirror(root / "key.git"), f"file://{upstream}", {}, check=within(1))

        assert time.monotonic() - began < 30
    assert fetch_upstream(root, upstream).head("main")


@pytest.mark.parametrize(
    "ask",
    [
        lambda mirror: mirror.head("main"),
        lambda mirror: mirror.change_head(7),
        lambda mirror: mirror.merge_base("0" * 40, "main"),
        lambda mirror: mirror.has("0" * 40),
        lambda mirror: mirror.retain_heads("t1", ["0" * 40]),
        lambda mirror: mirror.retained_heads("t1"),
        lambda mirror: mirror.release_heads("t1"),
    ],
)
def test_a_check_ends_every_operation_of_a_mirror(
    root: Path, upstream: Path, ask: Callable[[Mirror], object]
) -> None:
    path = fetch_upstream(root, upstream).path
    (path / "config").unlink()
    os.mkfifo(path / "config")  # git reads it first

    with pytest.raises(TimeoutError):
        ask(Mirror(path, within(0)))


def test_locks_of_a_killed_git_process_do_not_stop_a_later_fetch(root: Path, upstream: Path) -> None:
    mirror = fetch_upstream(root, upstream)
    with pytest.raises(RemoteMissing):  # the fetch ends early, like a killed one
        fetch(Mirror(root / "key.git"), f"file://{upstream}-gone", {})
    head = commit(upstream, {"b": "1\n"})
    half = mirror.path / "objects" / "pack" / "tmp_pack_abc"
    for left in (half, mirror.path / "refs" / "heads" / "main.lock", mirror.path / "packed-refs.lock"):
        left.touch()

    fetch_upstream(root, upstream)

    assert mirror.head("main") == head
    assert not half.exists()


def test_ref_locks_of_a_killed_git_process_do_not_stop_the_next_run_of_the_task(
    root: Path, upstream: Path
) -> None:
    mirror, head = fetch_upstream(root, upstream), git(upstream, "rev-parse", "HEAD")
    kept = mirror.path / "refs" / "keep" / "t1"
    kept.mkdir(parents=True)
    (kept / f"{head}.lock").touch()

    mirror.retain_heads("t1", [head])

    assert mirror.retained_heads("t1") == [head]
