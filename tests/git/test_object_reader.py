"""Reading objects one by one from one git process, and the errors if that process ends."""

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.domain.errors import GitFailed, ProcessKilled
from bot.git.bare_repository import make_bare
from bot.git.conversation import conversation
from bot.git.object_reader import ObjectReader, object_reader, sizes
from bot.git.run import Objects
from tests.sandbox.export_source import git


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    make_bare(tmp_path / "x.git")
    return tmp_path / "x.git"


@pytest.fixture
def reader(bare: Path) -> Iterator[ObjectReader]:
    with object_reader(Objects(bare)) as reader:
        yield reader


def blob(bare: Path, content: str) -> str:
    return git(bare, "hash-object", "-w", "--stdin", stdin=content)


def test_a_long_object_is_read_in_part_and_the_next_one_whole(bare: Path, reader: ObjectReader) -> None:
    long, short = blob(bare, "x" * 3_000_000), blob(bare, "short\n")

    first, second = reader.read(long, 10), reader.read(short, 10)

    assert (first.content, first.size, first.is_whole) == (b"x" * 10, 3_000_000, False)
    assert (second.content, second.kind, second.is_whole) == (b"short\n", "blob", True)


def test_after_a_missing_object_or_a_wrong_kind_the_next_object_is_read(
    bare: Path, reader: ObjectReader
) -> None:
    oid = blob(bare, "1")

    with pytest.raises(GitFailed, match="is missing"):
        reader.read("1" * 40, 10)
    with pytest.raises(GitFailed, match="is a blob, not a tree"):
        reader.tree(oid, 10)
    assert reader.read(oid, 10).content == b"1"


def test_trees_that_were_fetched_together_are_cached(bare: Path, reader: ObjectReader) -> None:
    trees = [git(bare, "mktree", stdin=f"100644 blob {blob(bare, each)}\tf\n") for each in "123"]

    reader.fetch([*trees, "1" * 40, blob(bare, "x")])

    assert reader.holds(trees)
    assert not reader.holds(["1" * 40])
    assert [reader.tree(tree, 100).oid for tree in trees] == trees


def test_an_object_written_after_the_start_is_found(bare: Path, reader: ObjectReader) -> None:
    reader.read(blob(bare, "1"), 10)

    assert reader.read(blob(bare, "2"), 10).content == b"2"


def test_a_git_process_that_something_else_killed_is_not_a_failure_of_the_repository(bare: Path) -> None:
    oid = blob(bare, "1")
    with (
        open(os.devnull, "r+b") as stderr,
        conversation("cat-file", "--batch", at=bare, env={}, stderr=stderr, seconds=60) as process,
    ):
        reader = ObjectReader(process, stderr)
        reader.read(oid, 10)
        process.send_signal(signal.SIGKILL)

        with pytest.raises(ProcessKilled, match="killed `git cat-file`"):
            reader.read(oid, 10)


def test_a_list_of_sizes_that_ends_early_because_git_was_killed_is_not_believed(
    bare: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "bin" / "git"
    program.parent.mkdir()
    program.write_text(
        "#!/bin/sh\necho 1111111111111111111111111111111111111111 blob 5\nprintf 222\nkill -9 $$\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")

    with pytest.raises(ProcessKilled):
        list(sizes(Objects(bare)))


def test_a_git_process_that_takes_too_long_is_killed(bare: Path) -> None:
    with (  # noqa: PT012 - it is the block that takes too long
        pytest.raises(GitFailed, match="took longer than 0 seconds"),
        open(os.devnull, "r+b") as stderr,
        conversation("cat-file", "--batch", at=bare, env={}, stderr=stderr, seconds=0.2) as process,
    ):
        process.wait()
        ObjectReader(process, stderr).read("1" * 40, 10)


def test_sizes_are_listed_for_own_objects_only(bare: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.git"
    make_bare(other)
    blob(other, "borrowed")
    oid = blob(bare, "12345")

    assert list(sizes(Objects(bare, (other,)))) == [(oid, "blob", 5)]


def test_sizes_of_a_missing_repository_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(GitFailed, match="not a git repository"):
        list(sizes(Objects(tmp_path)))


def test_an_error_that_a_check_raises_only_once_reaches_the_reader(bare: Path) -> None:
    oid, has_raised = blob(bare, "x"), threading.Event()

    def check() -> None:
        if not has_raised.is_set():
            has_raised.set()
            raise TimeoutError

    def read_for_ever() -> None:
        with object_reader(Objects(bare, (), check)) as reader:
            while True:
                reader.read(oid, 10)

    with pytest.raises(TimeoutError):
        read_for_ever()
