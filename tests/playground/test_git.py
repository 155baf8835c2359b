"""The playground's repositories do not depend on this machine's git configuration."""

from pathlib import Path

import pytest

from bot.playground import git

FILES = {"README.md": "hello\n"}


def test_the_callers_repository_and_git_configuration_have_no_effect(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".gitconfig").write_text("[core]\n\tlogAllRefUpdates = broken\n[user\n")
    template = tmp_path / "template" / "hooks"
    template.mkdir(parents=True)
    (template / "post-update").touch()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_TEMPLATE_DIR", str(template.parent))
    git.create(tmp_path / "caller.git", {}, branch="main")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "caller.git"))
    monkeypatch.setenv("GIT_OBJECT_DIRECTORY", str(tmp_path / "caller.git" / "objects"))

    git.create(tmp_path / "own.git", FILES, branch="main")

    head = git.branch(tmp_path / "own.git", "main")
    assert head != git.branch(tmp_path / "caller.git", "main")
    assert git.branches(tmp_path / "own.git") == {"main": head}
    assert [hook.name for hook in (tmp_path / "own.git" / "hooks").iterdir()] == ["proc-receive"]


def test_no_helper_process_remains_after_reading_a_repository(tmp_path: Path) -> None:
    folder = tmp_path / "own.git"
    git.create(folder, FILES, branch="main")

    with git.opened(folder) as repo:
        repo.commit("main").message  # noqa: B018 - reading it starts the helper
        helper = repo.git.cat_file_all
        assert helper is not None
        process = helper.proc

    assert process.poll() is not None


def test_protection_does_not_change_other_settings_of_the_repository(tmp_path: Path) -> None:
    folder = tmp_path / "own.git"
    git.create(folder, FILES, branch="main")
    before = (folder / "config").read_text()

    git.restrict(folder, ("main",))
    assert "procReceiveRefs = refs/heads" in (folder / "config").read_text()
    git.restrict(folder, ())

    assert "hideRefs = refs/pull\n\thideRefs = refs/merge-requests" in before
    with git.opened(folder) as repo:
        assert "procreceiverefs" not in repo.git.config("--list")
        assert repo.git.config("--get-all", "receive.hideRefs").split() == [
            "refs/pull",
            "refs/merge-requests",
        ]
