"""The walk finds the same changes as git, folder by folder, and reads no more folders than needed."""

import random
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest

from bot.domain.errors import ExportRefused, GitFailed
from bot.git.bare_repository import make_bare
from bot.git.object_reader import ObjectReader, object_reader
from bot.git.run import Objects
from bot.sandbox.export.refusals import shown
from bot.sandbox.export.tree_walk import Entry, has, walk
from tests.sandbox.export_source import git

FILE = f"100644 blob {'1' * 40}\t"
MODES = ["100644", "100755", "120000", "160000"]
Change = tuple[str, frozenset[str], str, str]


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    make_bare(tmp_path / "x.git")
    return tmp_path / "x.git"


@pytest.fixture
def reader(bare: Path) -> Iterator[ObjectReader]:
    with object_reader(Objects(bare)) as reader:
        yield reader


def tree(bare: Path, *lines: str) -> str:
    return git(bare, "mktree", "--missing", stdin="".join(f"{line}\n" for line in lines))


def commit(bare: Path, tree: str, *parents: str) -> str:
    return git(bare, "commit-tree", tree, *(word for each in parents for word in ("-p", each)), "-m", "Work")


def random_tree(bare: Path, chance: random.Random, depth: int = 3) -> str:
    """Make a random tree of a few names: folders, and files with random modes and contents."""
    lines = []
    for name in ("a", "a.b", "a-b", "b", "\u00fc"):
        kind = chance.random()
        if kind < 0.4 and depth:
            lines.append(f"040000 tree {random_tree(bare, chance, depth - 1)}\t{name}")
        elif kind < 0.7:
            mode = chance.choice(MODES)
            lines.append(
                f"{mode} {'commit' if mode == '160000' else 'blob'} {chance.choice('123') * 40}\t{name}"
            )
    return tree(bare, *lines)


def changes_by_git(bare: Path, commit: str) -> set[Change]:
    """Return the paths that, according to git, differ from all parents."""
    args = ("-c", "-r", "-z", "--root", "--no-commit-id", "--raw", "--no-abbrev", "--no-renames")
    words = git(bare, "diff-tree", *args, commit).rstrip("\0").split("\0")
    found = set()
    for raw, path in zip(words[::2], words[1::2], strict=False):
        parents = len(raw) - len(raw.lstrip(":"))
        fields = raw[parents:].split(" ")
        before = frozenset(fields[:parents])
        found.add((path, before, fields[parents], fields[2 * parents + 1]))
    return found


def changes_by_walk(entries: list[Entry]) -> set[Change]:
    return {(each.path.decode(), frozenset(each.before), each.mode, each.oid) for each in entries}


# An ordinary run has two seeds for each number of parents.
@pytest.mark.parametrize(
    "seed", [*range(8), *(pytest.param(seed, marks=pytest.mark.long) for seed in range(8, 25))]
)
def test_the_walk_finds_the_same_changes_as_git_for_any_number_of_parents(bare: Path, seed: int) -> None:
    chance = random.Random(seed)
    parents = [commit(bare, random_tree(bare, chance)) for _ in range(seed % 4)]
    made = commit(bare, random_tree(bare, chance), *parents)

    with object_reader(Objects(bare)) as reader:
        found = [entry for folder in walk(reader, made, parents) for entry in folder.entries]

    assert changes_by_walk(found) == changes_by_git(bare, made)
    assert len(found) == len(changes_by_git(bare, made))


def test_a_tree_with_ten_thousand_million_files_is_read_lazily(bare: Path, reader: ObjectReader) -> None:
    made = tree(bare, FILE + "f")
    for _ in range(10):
        made = tree(bare, *(f"040000 tree {made}\td{number}" for number in range(10)))

    seen = list(islice(walk(reader, made, []), 1000))

    assert [folder.place.path for folder in seen[9:12]] == [
        b"d0/d0/d0/d0/d0/d0/d0/d0/d0",
        b"d0/d0/d0/d0/d0/d0/d0/d0/d0/d0",
        b"d0/d0/d0/d0/d0/d0/d0/d0/d0/d1",
    ]


def test_only_folders_that_differ_are_read(bare: Path, reader: ObjectReader) -> None:
    missing = f"040000 tree {'1' * 40}\tsame"
    old = tree(bare, missing, FILE + "x")
    new = tree(bare, missing, f"100644 blob {'2' * 40}\tx")

    [folder] = walk(reader, new, [old])

    assert [entry.path for entry in folder.entries] == [b"x"]


def test_the_walk_reports_new_folders_and_new_names(bare: Path, reader: ObjectReader) -> None:
    old = tree(bare, f"040000 tree {tree(bare, FILE + 'x')}\told")
    more = tree(bare, FILE + "x", FILE + "y")
    new = tree(bare, f"040000 tree {more}\told", f"040000 tree {tree(bare, FILE + 'z')}\tnew")

    seen = {folder.place.path: (folder.is_new, [*folder.added]) for folder in walk(reader, new, [old])}

    assert seen == {b"": (False, [b"new"]), b"new": (True, [b"z"]), b"old": (False, [b"y"])}


def test_a_folder_with_a_too_long_list_of_files_is_named(bare: Path, reader: ObjectReader) -> None:
    long = tree(bare, *(f"{FILE}{number:06}{'y' * 200}" for number in range(80_000)))
    made = tree(bare, f"040000 tree {long}\tdata")

    with pytest.raises(ExportRefused, match="`data/` has too many files for one folder"):
        list(walk(reader, made, []))


def test_a_missing_tree_and_an_object_of_another_kind_are_reported(bare: Path, reader: ObjectReader) -> None:
    blob = git(bare, "hash-object", "-w", "--stdin", stdin="x")
    odd = tree(bare, f"040000 tree {'1' * 40}\tgone")

    with pytest.raises(GitFailed, match="missing"):
        list(walk(reader, odd, []))
    with pytest.raises(GitFailed, match="missing"):
        list(walk(reader, blob, []))


def test_a_path_is_found_only_with_all_its_folders(bare: Path, reader: ObjectReader) -> None:
    made = tree(bare, f"040000 tree {tree(bare, FILE + 'x')}\tdir")

    assert has(reader, made, b"dir")
    assert has(reader, made, b"dir/x")
    assert not has(reader, made, b"x")
    assert not has(reader, made, b"dir/x/y")


def test_a_path_is_shown_without_control_characters_and_is_cut() -> None:
    assert shown(b"a`b\nc\x1b[31m") == "a'b c"
    assert shown(b"x" * 5000) == "x" * 200 + "…"
