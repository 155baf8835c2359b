"""The operator's own checkout, read with real git."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from git import Actor, Repo

from bot.app.cli.working_copy import NotAWorkingCopy, Unreadable, WorkingCopy, look, remarks
from bot.domain.errors import NotPossible
from tests.support.cli_sandbox import at_a_desk

ANN = Actor("Ann", "ann@example.org")
URL = "https://forge.example/acme/anvil"


@pytest.fixture
def repo(tmp_path: Path) -> Iterator[Repo]:
    """Make a checkout of `main` with one committed file, and no remote."""
    with Repo.init(tmp_path / "anvil", initial_branch="main") as made:
        (tmp_path / "anvil" / "README.md").write_text("hello\n")
        made.index.add(["README.md"])
        made.index.commit("Begin", author=ANN, committer=ANN)
        yield made


def read_working_copy(repo: Repo) -> WorkingCopy:
    root = Path(repo.working_dir)
    return look(str(root), data=root.parent / "data")


def test_a_working_copy_has_a_branch_a_remote_and_uncommitted_files(repo: Repo) -> None:
    root = Path(repo.working_dir)
    repo.create_remote("origin", f"{URL}.git")
    (root / "README.md").write_text("changed\n")
    (root / "staged.txt").write_text("new\n")
    repo.index.add(["staged.txt"])
    (root / "deep").mkdir()
    for name in ("one", "two words", "three\nlines"):
        (root / "deep" / name).touch()
    (root / ".gitignore").write_text("*.log\n")
    (root / "ignored.log").touch()

    assert read_working_copy(repo) == WorkingCopy(
        root=root, branch="main", remote=URL, no_remote="", uncommitted=6
    )


def test_a_renamed_file_counts_as_two_uncommitted_files(repo: Repo) -> None:
    repo.index.move(["README.md", "READ.md"])

    assert read_working_copy(repo).uncommitted == 2


def test_a_branch_without_commits_has_a_name_and_a_detached_head_has_none(repo: Repo, tmp_path: Path) -> None:
    with Repo.init(tmp_path / "empty", initial_branch="trunk") as empty:
        assert read_working_copy(empty).branch == "trunk"
    repo.git.checkout("-q", "--detach")

    assert read_working_copy(repo).branch == ""


def test_a_working_copy_without_a_remote_has_the_reason(repo: Repo) -> None:
    found = read_working_copy(repo)

    assert (found.remote, found.no_remote) == ("", "It has no remote.")


def test_the_remote_is_that_of_the_branch_or_else_origin(repo: Repo) -> None:
    for name in ("ann", "bob"):
        repo.create_remote(name, f"{URL}-{name}")
    assert read_working_copy(repo).no_remote.endswith("origin: ann, bob.")

    repo.create_remote("origin", URL)
    assert read_working_copy(repo).remote == URL

    repo.git.config("branch.main.remote", "bob")
    assert read_working_copy(repo).remote == f"{URL}-bob"


def test_an_upstream_in_the_checkout_itself_is_not_a_remote(repo: Repo) -> None:
    repo.git.config("branch.main.remote", ".")

    assert read_working_copy(repo).no_remote == "It has no remote."


@pytest.mark.parametrize(
    "url",
    [
        "https://ann:s3cret@forge.example:port/x",
        "ssh://ann:s3cret@forge.example:port/x",
        "ext::ssh ann:s3cret@forge.example x",
        "https://s3cret@x?",
    ],
)
def test_the_reason_for_a_refused_remote_does_not_contain_its_password(repo: Repo, url: str) -> None:
    repo.git.config("remote.origin.url", url)

    found = read_working_copy(repo)

    assert found.remote == ""
    assert found.no_remote
    assert "s3cret" not in found.no_remote


def test_credentials_are_removed_from_the_url_of_a_remote(repo: Repo) -> None:
    repo.create_remote("origin", "https://ann:s3cret@forge.example/acme/anvil.git")

    assert read_working_copy(repo).remote == URL


def test_a_remote_may_be_a_folder_beside_the_working_copy(repo: Repo, tmp_path: Path) -> None:
    Repo.init(tmp_path / "upstream.git", bare=True).close()
    repo.create_remote("origin", "../upstream.git")

    assert read_working_copy(repo).remote == f"file://{tmp_path}/upstream.git"


def test_a_linked_worktree_whose_name_looks_like_a_variable_is_read(repo: Repo, tmp_path: Path) -> None:
    linked = tmp_path / "$HOME ~"
    repo.git.worktree("add", "-q", "-b", "side", str(linked))
    (linked / "new").touch()

    found = look(str(linked), data=tmp_path / "data")

    assert (found.root, found.branch, found.uncommitted) == (linked, "side", 1)


@pytest.mark.parametrize("name", ["gone", "a" * 300, "nul\0", "file"])
def test_a_folder_that_is_not_a_working_copy_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(NotAWorkingCopy):
        look(f"{tmp_path}/{name}", data=tmp_path / "data")


def test_a_bare_repository_and_a_subfolder_are_refused_with_different_reasons(
    repo: Repo, tmp_path: Path
) -> None:
    Repo.init(tmp_path / "bare.git", bare=True).close()
    (Path(repo.working_dir) / "deep").mkdir()

    with pytest.raises(NotAWorkingCopy, match="is a bare repository"):
        look(str(tmp_path / "bare.git"), data=tmp_path / "data")
    with pytest.raises(NotPossible, match=r"is only a part of the working copy .*/anvil\. Give that"):
        look(str(tmp_path / "anvil" / "deep"), data=tmp_path / "data")


def test_a_working_copy_in_the_data_folder_is_refused(repo: Repo, tmp_path: Path) -> None:
    root = Path(repo.working_dir)
    (tmp_path / "link").symlink_to(root)
    linked = tmp_path / "linked"
    repo.git.worktree("add", "-q", "-b", "side", str(linked))

    for folder in (root, root / ".git", tmp_path / "link", linked):
        with pytest.raises(NotPossible, match="is in the data folder"):
            remarks(str(folder), data=root, base="")
    with pytest.raises(NotPossible, match="is in the data folder"):
        remarks(str(root), data=root.parent, base="")


def test_reading_a_checkout_starts_neither_hooks_nor_a_file_system_monitor(
    repo: Repo, tmp_path: Path
) -> None:
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\ntouch {tmp_path}/started\n")
    program.chmod(0o755)
    for hook in ("post-index-change", "reference-transaction"):
        (Path(repo.git_dir) / "hooks" / hook).symlink_to(program)
    repo.git.config("core.fsmonitor", str(program))
    (Path(repo.working_dir) / "README.md").touch()  # git would write the index if it refreshed it

    read_working_copy(repo)

    assert not (tmp_path / "started").exists()


def test_git_does_not_get_the_variables_of_the_bot(
    repo: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = Path(repo.working_dir)
    (root / ".gitattributes").write_text("* filter=spy\n")
    repo.git.config("filter.spy.clean", f"env >> {tmp_path}/seen; cat")
    (root / "README.md").write_text("HELLO\n")  # of the same length, so that git has to compare
    os.utime(root / "README.md", (1, 1))
    monkeypatch.setenv("FORGEHAND_GITHUB__TOKEN", "s3cret")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))

    read_working_copy(repo)

    assert "PATH=" in (tmp_path / "seen").read_text()
    assert "s3cret" not in (tmp_path / "seen").read_text()
    assert os.environ["FORGEHAND_GITHUB__TOKEN"] == "s3cret"
    assert os.environ["GIT_DIR"] == str(tmp_path / "elsewhere")


def test_the_error_for_an_unreadable_checkout_quotes_git(repo: Repo) -> None:
    (Path(repo.git_dir) / "index").write_bytes(b"no index")

    with pytest.raises(Unreadable, match=r"^git cannot read .*/anvil: .*index file"):
        read_working_copy(repo)


def test_remarks_name_the_target_of_the_push_and_the_number_of_uncommitted_files(
    repo: Repo, tmp_path: Path
) -> None:
    folder, data = str(repo.working_dir), tmp_path / "data"
    assert remarks(folder, data=data, base="") == []

    repo.create_remote("origin", URL)
    (tmp_path / "anvil" / "one").touch()
    assert remarks(folder, data=data, base="") == [
        f"the result is pushed to {folder} as a branch, and not to {URL}",
        "1 uncommitted file is not included",
    ]

    (tmp_path / "anvil" / "two").touch()
    assert remarks(folder, data=data, base="")[1] == "2 uncommitted files are not included"


def test_a_detached_head_needs_a_base(repo: Repo, tmp_path: Path) -> None:
    repo.git.checkout("-q", "--detach")

    with pytest.raises(NotPossible, match="is detached: check out a branch, or name one with --base"):
        remarks(str(repo.working_dir), data=tmp_path / "data", base="")
    assert remarks(str(repo.working_dir), data=tmp_path / "data", base="main") == []


def test_bare_repositories_and_other_folders_have_no_remarks(tmp_path: Path) -> None:
    Repo.init(tmp_path / "bare.git", bare=True).close()

    assert remarks(str(tmp_path / "bare.git"), data=tmp_path / "data", base="") == []
    assert remarks(str(tmp_path), data=tmp_path / "data", base="") == []


@pytest.mark.waits
def test_a_run_on_a_checkout_reports_uncommitted_files_and_pushes_to_the_checkout(
    repo: Repo, tmp_path: Path
) -> None:
    (tmp_path / "desk").mkdir()
    (Path(repo.working_dir) / "new").touch()
    repo.create_remote("origin", f"https://ann:s3cret@{URL.removeprefix('https://')}")

    with at_a_desk(tmp_path / "desk") as desk:
        output, errors = desk.call("run", str(repo.working_dir), "tidy the parser")

    assert "forgehand: 1 uncommitted file is not included\n" in errors
    assert f"as a branch, and not to {URL}\n" in errors
    assert "s3cret" not in output + errors
    assert "new" not in repo.git.ls_tree("--name-only", output.strip()).split()


@pytest.mark.waits
def test_a_run_refuses_a_folder_below_the_data_folder(tmp_path: Path) -> None:
    with at_a_desk(tmp_path) as desk:
        folder = tmp_path / "forgehand-data" / "workspaces"
        folder.mkdir(parents=True)

        for given in (str(folder), f"file://{folder}"):
            assert "is in the data folder of the bot" in desk.call("run", given, "tidy", status=1)[1]
