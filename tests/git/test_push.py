"""A push: one branch, forward only, and refusals with a remedy."""

import base64
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from bot.domain.errors import PushRejected, RemoteMissing, RemoteUnavailable
from bot.git.bare_repository import make_bare
from bot.git.fetch import fetch
from bot.git.mirror import Mirror
from bot.git.push import push
from bot.git.run import git as host_git
from tests.sandbox.export_source import commit, git
from tests.support.playground_github import Playground


@dataclass(frozen=True)
class Work:
    """Checked commits in a quarantine, and the remote they are for."""

    remote: str
    headers: dict[str, str]
    mirror: Mirror
    quarantine: Path
    base: str

    def commit(self, parent: str, message: str = "Work") -> str:
        person = "Bot <bot@example.org> 1700000000 +0000"
        env = {"GIT_ALTERNATE_OBJECT_DIRECTORIES": str(self.mirror.path / "objects")}
        tree = host_git("rev-parse", f"{parent}^{{tree}}", at=self.quarantine, env=env).decode().strip()
        content = f"tree {tree}\nparent {parent}\nauthor {person}\ncommitter {person}\n\n{message}\n"
        made = host_git(
            "hash-object", "-t", "commit", "-w", "--stdin", at=self.quarantine, stdin=content.encode()
        )
        return made.decode().strip()

    def push(self, oid: str, expected: str = "", branch: str = "forgehand/1", since: str = "") -> None:
        push(
            quarantine=self.quarantine,
            mirror=self.mirror.path,
            url=self.remote,
            headers=self.headers,
            branch=branch,
            oid=oid,
            expected=expected,
            never={"main"},
            since=since,
        )

    def fetch(self) -> Mirror:
        return fetch(self.mirror, self.remote, self.headers)


def _work(tmp_path: Path, remote: str, headers: dict[str, str]) -> Work:
    mirror = fetch(Mirror(tmp_path / "mirrors" / "key.git"), remote, headers)
    make_bare(tmp_path / "q.git")
    return Work(remote, headers, mirror, tmp_path / "q.git", mirror.head(mirror.default_branch))


@pytest.fixture
def local(tmp_path: Path) -> Work:
    (tmp_path / "seed").mkdir()
    git(tmp_path / "seed", "init", "-q")
    commit(tmp_path / "seed", {"a": "1\n"})
    git(tmp_path, "clone", "-q", "--bare", "seed", "remote.git")
    return _work(tmp_path, f"file://{tmp_path}/remote.git", {})


@pytest.fixture
def playground(tmp_path: Path) -> Iterator[Playground]:
    with Playground(tmp_path / "playground") as running:
        yield running


@pytest.fixture
def http(tmp_path: Path, playground: Playground) -> Work:
    basic = base64.b64encode(f"x-access-token:{playground.token}".encode()).decode()
    return _work(tmp_path, playground.clone_url, {"Authorization": f"Basic {basic}"})


def hook(work: Work, script: str) -> None:
    path = Path(urlsplit(work.remote).path) / "hooks/pre-receive"
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


@pytest.fixture(params=["local", "http"])
def work(request: pytest.FixtureRequest) -> Work:
    made: Work = request.getfixturevalue(request.param)
    return made


def test_a_branch_is_created_then_moved_and_a_push_can_be_repeated(work: Work) -> None:
    first = work.commit(work.base)
    second = work.commit(first, "More")

    work.push(first)
    work.push(second, expected=first)
    work.push(second, expected=first)

    assert work.fetch().head("forgehand/1") == second


def test_a_branch_that_somebody_else_moved_is_not_overwritten(work: Work) -> None:
    first, theirs = work.commit(work.base), work.commit(work.base, "Theirs")
    work.push(first)
    work.push(work.commit(first, "Somebody"), expected=first)

    with pytest.raises(PushRejected, match="Somebody else pushed") as raised:
        work.push(work.commit(first, "Mine"), expected=first)
    assert raised.value.moved
    with pytest.raises(PushRejected, match="Somebody else pushed") as raised:
        work.push(theirs)
    assert raised.value.moved


def test_a_push_to_a_branch_locked_by_another_push_can_be_repeated(local: Work, tmp_path: Path) -> None:
    oid = local.commit(local.base)
    held = tmp_path / "remote.git" / "refs" / "heads" / "forgehand" / "1.lock"
    held.parent.mkdir()
    held.touch()

    with pytest.raises(RemoteUnavailable, match="another push to it is in progress"):
        local.push(oid)

    held.unlink()
    local.push(oid)
    assert local.fetch().head("forgehand/1") == oid


def test_work_that_does_not_descend_from_the_branch_is_not_sent(local: Work) -> None:
    first = local.commit(local.base)
    local.push(first)

    with pytest.raises(PushRejected, match="not an ancestor of the new work") as raised:
        local.push(local.commit(local.base, "Other"), expected=first)

    assert raised.value.moved
    assert local.fetch().head("forgehand/1") == first


def test_a_branch_of_a_person_moves_forward_from_its_start_or_a_later_head(local: Work) -> None:
    theirs = local.commit(local.base, "Theirs")
    more = local.commit(theirs, "More of theirs")
    local.push(theirs, branch="lexer")
    local.push(more, expected=theirs, branch="lexer")

    with pytest.raises(PushRejected, match="not an ancestor of the new work") as raised:
        local.push(local.commit(theirs), expected=more, branch="lexer", since=theirs)
    assert raised.value.moved
    merged = local.commit(more, "Merged")
    local.push(merged, expected=more, branch="lexer", since=theirs)
    local.push(merged, expected=merged, branch="lexer", since=theirs)

    assert local.fetch().head("lexer") == merged


def test_a_branch_of_a_person_that_was_reset_or_deleted_is_not_changed(local: Work) -> None:
    first = local.commit(local.base)
    theirs = local.commit(first, "Taken back")
    local.push(first, branch="lexer")

    for expected in (first, ""):
        with pytest.raises(PushRejected, match="was deleted or reset") as raised:
            local.push(local.commit(theirs), expected=expected, branch="lexer", since=theirs)
        assert not raised.value.moved

    assert local.fetch().head("lexer") == first


def test_excluded_branches_are_refused(local: Work) -> None:
    with pytest.raises(PushRejected, match="not a branch the bot pushes to"):
        local.push(local.commit(local.base), expected=local.base, branch="main")


def test_a_refusal_has_the_remotes_message_sanitized(local: Work) -> None:
    hook(local, "printf 'GH006: Protected branch \\033[31mupdate failed.\\n' >&2; exit 1")

    with pytest.raises(PushRejected, match="GH006: Protected branch update failed") as raised:
        local.push(local.commit(local.base))

    assert "pre-receive hook declined" in str(raised.value)
    assert "\x1b" not in str(raised.value)
    assert not raised.value.moved


def test_a_protected_branch_is_refused_over_http(http: Work, playground: Playground) -> None:
    playground.protect("forgehand/*")

    with pytest.raises(PushRejected, match=r"(?i)protected") as raised:
        http.push(http.commit(http.base))
    assert not raised.value.moved

    playground.unprotect("forgehand/*")
    http.push(http.commit(http.base))


def test_a_deleted_remote_is_reported_as_missing(work: Work) -> None:
    with pytest.raises(RemoteMissing):
        replace(work, remote=f"{work.remote.removesuffix('.git')}-gone.git").push(work.commit(work.base))


def test_a_remote_that_does_not_answer_is_reported_as_unavailable(local: Work) -> None:
    with pytest.raises(RemoteUnavailable):
        replace(local, remote="http://127.0.0.1:1/a/b.git").push(local.commit(local.base))


def test_the_forges_message_about_an_archived_repository_is_quoted(
    http: Work, playground: Playground
) -> None:
    playground.archive()

    with pytest.raises(PushRejected, match=r"has no permission for this.*This repository was archived"):
        http.push(http.commit(http.base))


def test_a_wrong_token_is_reported_as_such(http: Work) -> None:
    with pytest.raises(PushRejected, match="does not accept the bot's token"):
        replace(http, headers={"Authorization": "Basic eDp3cm9uZw=="}).push(http.commit(http.base))


def test_an_address_without_a_credential_is_not_reported_as_a_missing_permission(http: Work) -> None:
    with pytest.raises(PushRejected, match=r"no credential for 127\.0\.0\.1:\d+:") as refused:
        replace(http, headers={}).push(http.commit(http.base))

    assert "token" not in str(refused.value)


def test_hooks_of_a_quarantine_do_not_run(local: Work, tmp_path: Path) -> None:
    hooks = local.quarantine / "hooks"
    hooks.mkdir()
    for name in ("pre-push", "reference-transaction"):
        (hooks / name).write_text(f"#!/bin/sh\ntouch {tmp_path}/canary\n")
        (hooks / name).chmod(0o755)

    local.push(local.commit(local.base))

    assert not (tmp_path / "canary").exists()
