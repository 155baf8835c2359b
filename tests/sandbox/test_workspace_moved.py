"""The files of a retained workspace move to the start of a new branch, if the agent has not changed them."""

import pytest

from tests.sandbox.task_workspace import FILES, Site, commit

CHANGED = {**FILES, "README.md": "theirs\n", "new.txt": "new\n"}


def test_unmodified_files_move_and_modified_and_untracked_ones_stay(site: Site) -> None:
    before = commit(site.mirror, {**FILES, "old.txt": "old\n", "kept.txt": "kept\n"}, site.base)
    start = commit(site.mirror, {**CHANGED, "kept.txt": "kept\n"}, site.base)
    site.prepare(before)
    site.agent("echo mine >>src/main.py; rm kept.txt; echo note >note; git config core.autocrlf true")

    assert site.prepared(start, before=before).moved

    assert site.agent("git rev-parse HEAD; git status --porcelain; cat README.md new.txt note; ls").split(
        "\n"
    ) == [
        start, " D kept.txt", " M src/main.py", "?? note", "theirs", "new", "note",
        "README.md", "new.txt", "note", "src",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "edit",
    [
        "echo mine >>README.md",
        "echo mine >new.txt",
        "mkdir new.txt; touch new.txt/x",
        "rm README.md",
        "rm README.md; mkfifo README.md",
        "rm README.md; ln -s /etc/passwd README.md",
    ],
)
def test_no_file_moves_if_a_modified_or_untracked_one_is_in_the_way(site: Site, edit: str) -> None:
    before = commit(site.mirror, {**FILES, "a": "1\n"}, site.base)
    start = commit(site.mirror, {**CHANGED, "a": "2\n"}, site.base)
    site.prepare(before)
    site.agent(edit)
    look = "git status --porcelain; ls -lAR --time-style=full-iso --ignore=.git; cat a"
    seen = site.agent(look)

    assert not site.prepared(start, before=before).moved

    assert site.agent("git rev-parse HEAD") == before
    assert site.agent(look) == seen


def test_files_that_are_at_the_new_start_already_are_not_in_the_way(site: Site) -> None:
    """An interrupted preparation is repeated, and an agent may have made the same changes."""
    before = commit(site.mirror, {**FILES, "a": "1\n", "b": "1\n", "old": "old\n"}, site.base)
    start = commit(site.mirror, {**CHANGED, "a": "2\n", "b": "2\n"}, site.base)
    site.prepare(before)
    site.agent("echo 2 >a; echo new >new.txt; rm old")

    assert site.prepared(start, before=before).moved
    assert site.prepared(start, before=before).moved

    assert site.agent("git rev-parse HEAD; git status --porcelain; cat a b") == f"{start}\n2\n2"


def test_on_a_change_instruction_files_are_not_in_the_way(site: Site) -> None:
    base = commit(site.mirror, {**FILES, "CLAUDE.md": "be kind\n"}, site.base)
    before = commit(site.mirror, {**FILES, "CLAUDE.md": "1\n", "GEMINI.md": "1\n", "AGENTS.md": "1\n"}, base)
    start = commit(site.mirror, {**CHANGED, "CLAUDE.md": "2\n", "GEMINI.md": "2\n"}, base)
    site.prepare(before, briefed_by=base)

    assert site.prepared(start, before=before, briefed_by=base).moved

    printed = site.agent("git rev-parse HEAD; git status --porcelain; cat CLAUDE.md README.md; ls")
    assert printed.split() == [start, "be", "kind", "theirs", "CLAUDE.md", "README.md", "new.txt", "src"]


def test_a_fresh_clone_begins_at_the_new_start(site: Site) -> None:
    start = commit(site.mirror, CHANGED, site.base)

    assert site.prepared(start, before=site.base).moved

    assert site.agent("git rev-parse HEAD; git status --porcelain") == start


def test_files_move_if_git_cannot_use_the_clone(site: Site) -> None:
    start = commit(site.mirror, CHANGED, site.base)
    site.prepare()
    site.agent("rm -rf .git; echo mine >>src/main.py")

    assert site.prepared(start, before=site.base).moved

    printed = site.agent("git rev-parse HEAD; git status --porcelain; cat README.md")
    assert printed.split("\n") == [start, " M src/main.py", "theirs"]
