"""Commits written many at a time."""

from pathlib import Path

import pytest

from bot.domain.errors import GitFailed
from bot.git.bare_repository import make_bare
from bot.git.commit_writer import commit_id, write_commits
from bot.git.run import Objects
from tests.sandbox.export_source import git


def test_written_commits_have_the_ids_that_were_computed_before(tmp_path: Path) -> None:
    make_bare(tmp_path / "x.git")
    tree = git(tmp_path / "x.git", "mktree")
    who = "A <a@example.org> 1700000000 +0100"
    plain = f"author {who}\ncommitter {who}\n\n\u00fcber\r\n".encode()
    first = f"tree {tree}\n".encode() + plain
    second = f"tree {tree}\nparent {commit_id(first)}\n".encode() + plain

    ids = write_commits(Objects(tmp_path / "x.git"), [first, second])

    assert ids == [commit_id(first), commit_id(second)]
    assert git(tmp_path / "x.git", "rev-list", ids[1]).split() == ids[::-1]
    git(tmp_path / "x.git", "fsck", "--strict", "--no-dangling")


def test_invalid_content_is_an_error_and_an_empty_list_writes_nothing(tmp_path: Path) -> None:
    make_bare(tmp_path / "x.git")

    assert write_commits(Objects(tmp_path / "x.git"), []) == []
    with pytest.raises(GitFailed, match="git hash-object failed"):
        write_commits(Objects(tmp_path / "x.git"), [b"no commit"])
