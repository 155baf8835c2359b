"""Commits read as they were written, with any content."""

from pathlib import Path

import pytest

from bot.domain.errors import GitFailed
from bot.git.bare_repository import make_bare
from bot.git.history import Commit, read_commit, read_commits
from bot.git.object_reader import object_reader
from bot.git.run import Objects, git

TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
WHO = "A <a@example.org> 1700000000 +0100"


@pytest.fixture
def objects(tmp_path: Path) -> Objects:
    make_bare(tmp_path / "x.git")
    git("mktree", at=tmp_path / "x.git")
    return Objects(tmp_path / "x.git")


def write_commit(objects: Objects, content: bytes) -> str:
    args = ("hash-object", "-t", "commit", "-w", "--stdin", "--literally")
    return git(*args, at=objects.path, stdin=content).decode().strip()


def commit(objects: Objects, *parents: str, message: bytes = b"Work\n", more: bytes = b"") -> str:
    lines = "".join([f"tree {TREE}\n", *(f"parent {each}\n" for each in parents), f"author {WHO}\n"])
    return write_commit(objects, lines.encode() + f"committer {WHO}\n".encode() + more + b"\n" + message)


def commit_at(objects: Objects, oid: str) -> Commit:
    with object_reader(objects) as reader:
        return read_commit(reader, oid)


def test_commits_are_read_parents_first_and_without_known_ones(objects: Objects) -> None:
    first = commit(objects)
    second = commit(objects, first)
    third = commit(objects, second)

    with object_reader(objects) as reader:
        assert [each.id for each in read_commits(objects, reader, [third], [first], 10)] == [second, third]
        assert [each.id for each in read_commits(objects, reader, [third], [], 2)] == [second, third]


def test_a_commit_has_its_parents_date_and_message(objects: Objects) -> None:
    first = commit(objects)
    oid = commit(objects, first, message="\u00fcber\n\nalles\n".encode())

    assert commit_at(objects, oid) == Commit(oid, TREE, (first,), "1700000000 +0100", "\u00fcber\n\nalles\n")


def test_a_line_that_only_looks_like_a_parent_is_ignored(objects: Objects) -> None:
    first = commit(objects)
    oid = commit(
        objects, first, more=f"parent {'1' * 40}\ntree {'2' * 40}\nauthor B <b@x> 1 +0000\n".encode()
    )

    found = commit_at(objects, oid)

    assert (found.tree, found.parents, found.date) == (TREE, (first,), "1700000000 +0100")


@pytest.mark.parametrize(
    ("encoding", "message", "words"),
    [
        (b"ISO-8859-1", b"\xfcber", "\u00fcber"),
        (b"EUC-JP", b"\xa4\xa2", "\u3042"),
        (b"no-such", b"\xfcber", "\ufffdber"),
        (b"punycode", b"ber-goa", "ber-goa"),  # its decoding takes quadratic time
        (b"unicode_escape", b"\\x41", "\\x41"),
    ],
)
def test_a_message_is_decoded_by_its_encoding_if_that_is_safe(
    objects: Objects, encoding: bytes, message: bytes, words: str
) -> None:
    assert (
        commit_at(objects, commit(objects, message=message, more=b"encoding " + encoding + b"\n")).message
        == words
    )


def test_a_very_long_message_is_cut(objects: Objects) -> None:
    found = commit_at(objects, commit(objects, message=b"m" * 50_000_000))

    assert 16_000 < len(found.message) < 1 << 16
    assert set(found.message) == {"m"}


def test_a_commit_with_too_many_parents_still_has_too_many_after_it_is_cut(objects: Objects) -> None:
    first = commit(objects)

    found = commit_at(objects, commit(objects, *[first] * 5000))

    assert 1000 < len(found.parents) < 5000
    assert (found.tree, found.date, found.message) == (TREE, "", "")


@pytest.mark.parametrize("content", [b"", b"parent x\n\nx", b"tree 12\n\nx"])
def test_an_object_that_is_not_a_commit_is_an_error(objects: Objects, content: bytes) -> None:
    with pytest.raises(GitFailed, match="is malformed"):
        commit_at(objects, write_commit(objects, content))
    with pytest.raises(GitFailed, match="is a tree, not a commit"):
        commit_at(objects, TREE)
