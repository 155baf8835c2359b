"""The files of a retained workspace move to the start of a new branch, if the agent has not changed them."""

import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bot.domain.errors import DiskFull, ProcessKilled
from bot.sandbox.workspace import Workspaces
from tests.sandbox.task_workspace import FILES, Site, commit
from tests.support.inodes import leave_free, needs_root, with_bytes
from tests.support.worker_bench import until

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


@pytest.mark.parametrize("again", ["to the same commit", "to a later one", "not at all"])
def test_an_interrupted_move_is_repeated_or_undone(site: Site, again: str) -> None:
    """What it had written by then is not the agent's, even if the target has changed or conflicts since."""
    before = commit(site.mirror, {**FILES, "a": "1\n", "old": "old\n"}, site.base)
    start = commit(site.mirror, {**CHANGED, "a": "2\n", "x/y": "y\n"}, site.base)
    later = commit(site.mirror, {**CHANGED, "a": "3\n", "old": "old\n"}, site.base)
    site.prepare(before)
    site.agent(
        f"echo {before} {start} >/home/agent/.forgehand-moving; rm old; printf th >README.md; echo 2 >a;"
        "printf n >new.txt; mkdir x; : >x/y; echo mine >>src/main.py; echo note >note"
    )

    if again == "not at all":
        site.prepare(before)
        expected, head = ["hello", "1", "old"], before
    else:
        same = again == "to the same commit"
        assert site.prepared(start if same else later, before=before).moved
        expected, head = (["theirs", "2", "new"], start) if same else (["theirs", "3", "old", "new"], later)

    seen = site.agent("git status --porcelain; cat README.md a; cat old new.txt 2>/dev/null || true")
    assert [line.strip() for line in seen.splitlines()] == ["M src/main.py", "?? note", *expected]
    assert site.agent("git rev-parse HEAD; ls -A /home/agent | grep -v forgehand || true") == head


@pytest.mark.long
def test_a_killed_move_is_repeated(site: Site) -> None:
    large = [f"f{number:02}" for number in range(16)]
    before = commit(site.mirror, {**FILES, **dict.fromkeys(large, "small\n")}, site.base)
    start = commit(site.mirror, {**FILES, **dict.fromkeys(large, "1" * 16_000_000)}, site.base)
    site.prepare(before)
    first, last = (site.folder / "repo" / name for name in (large[0], large[-1]))

    def kill() -> None:
        until(lambda: not first.exists() or first.stat().st_size != len("small\n"))
        for container in site.engine.ours():
            site.engine.remove(container.name)

    with ThreadPoolExecutor(1) as pool:
        killing = pool.submit(kill)
        with pytest.raises(ProcessKilled):
            site.prepared(start, before=before)
        killing.result()
    site.runs -= 1
    assert last.read_text() == "small\n"  # it was in the middle

    assert site.prepared(start, before=before).moved

    assert site.agent("git status --porcelain; git rev-parse HEAD") == start


def test_after_a_move_or_without_one_the_files_are_the_agents(site: Site) -> None:
    before = commit(site.mirror, {**FILES, "a": "1\n"}, site.base)
    start = commit(site.mirror, {**CHANGED, "a": "2\n"}, site.base)
    site.prepare(before)
    assert site.prepared(start, before=before).moved
    site.prepare(start)
    site.agent("echo mine >README.md; ! test -e /home/agent/.forgehand-moving")

    site.prepare(start)
    assert site.agent("cat README.md") == "mine"

    site.agent(f"echo {before} {start} >/home/agent/.forgehand-moving")  # of an earlier move
    site.prepare(start)
    assert site.agent("cat README.md") == "mine"
    assert not site.prepared(before, before=start).moved
    assert site.agent("cat README.md") == "mine"


@pytest.mark.parametrize(
    "record",
    [
        "mkfifo $record",
        "mkdir $record; echo 1 >$record/1; chmod 0 $record",
        "ln -s /etc/passwd $record",
        "echo 1 2 >$record",
        "git rev-parse HEAD HEAD | xargs >$record; chmod 0 $record",
        "echo $(git rev-parse HEAD) abcdef >$record",
        "echo $(git rev-parse HEAD) >$record",
        "head -c 300 /dev/zero >$record",
    ],
)
def test_a_false_record_of_a_move_does_no_harm(site: Site, record: str) -> None:
    start = commit(site.mirror, CHANGED, site.base)
    site.prepare()
    site.agent(f"record=/home/agent/.forgehand-moving; {record}; echo mine >>src/main.py")

    assert site.prepared(start, before=site.base).moved

    assert site.agent("git status --porcelain; cat README.md") == "M src/main.py\ntheirs"


@needs_root
def test_a_full_disk_ends_a_move_and_a_later_one_is_complete(site: Site, tmp_path: Path) -> None:
    large = {f"f{number}": f"{number}" * 1_000_000 + "\n" for number in range(8)}
    before = commit(site.mirror, {**FILES, **dict.fromkeys(large, "small\n")}, site.base)
    start = commit(site.mirror, {**FILES, **large}, site.base)
    with with_bytes(tmp_path / "disk", 5 << 20) as disk:
        site.places = Workspaces(root=disk / "workspaces", engine=site.engine, image=site.image)
        site.prepare(before)
        with pytest.raises(DiskFull):
            site.prepared(start, before=before)
        site.runs -= 1
        assert "M f0" in site.agent("git --no-optional-locks status --porcelain")  # it had begun

        subprocess.run(["mount", "-o", "remount,size=20m", str(disk)], check=True)
        assert site.prepared(start, before=before).moved

        assert site.agent("git status --porcelain; git rev-parse HEAD") == start


@needs_root
def test_a_full_disk_is_not_a_broken_clone(site: Site, tmp_path: Path) -> None:
    start = commit(site.mirror, {f"f{number}": "" for number in range(40_000)}, site.base)
    with with_bytes(tmp_path / "disk", 5 << 20) as disk:
        site.places = Workspaces(root=disk / "workspaces", engine=site.engine, image=site.image)
        site.prepare()
        leave_free(disk, 2 << 20)  # less than the index needs
        with pytest.raises(DiskFull):
            site.prepare(start)
        site.runs -= 1
        assert site.agent("ls -A /home/agent") == ""

        subprocess.run(["mount", "-o", "remount,size=20m", str(disk)], check=True)
        site.prepare(start)

        assert site.agent("git rev-parse HEAD") == start


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
