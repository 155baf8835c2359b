"""The work of a task is put on another commit, on real repositories."""

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.domain.errors import DiskFull, GitFailed
from bot.domain.task import Identity
from bot.git.bare_repository import make_bare
from bot.git.run import Objects
from bot.sandbox.export.rewrite import Style
from bot.sandbox.export.transplant import transplant
from tests.sandbox.task_workspace import commit
from tests.support.inodes import needs_root, with_bytes

STYLE = Style(author=Identity("Forgehand", "bot@example.org"), co_author="ann <a@b>", title="Tidy")
LINES = [f"line {number}" for number in range(9)]


def text(**changed: str) -> str:
    """Return nine lines, with some of them replaced: `l3="x"` replaces the fourth."""
    return "".join(f"{changed.get(f'l{at}', line)}\n" for at, line in enumerate(LINES))


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Objects:
    folder = tmp_path_factory.mktemp("transplant")
    for name in ("m.git", "q.git"):
        make_bare(folder / name)
    return Objects(folder / "q.git", (folder / "m.git",))


def made(objects: Objects, files: dict[str, str], *parents: str) -> str:
    """Make a commit in the mirror, from which the quarantine borrows."""
    return commit(objects.borrowed[0], files, *parents)


def files_of(objects: Objects, oid: str) -> dict[str, str]:
    names = objects.git("ls-tree", "-r", "--name-only", oid).decode().split()
    return {name: objects.git("cat-file", "blob", f"{oid}:{name}").decode() for name in names}


@needs_root
@pytest.mark.waits
def test_a_disk_that_is_full_in_the_merge_is_named(there: Objects, tmp_path: Path) -> None:
    """The commits still fit, but the merged file does not."""
    [first, *middle, last] = [os.urandom(50).hex() for _ in range(40_000)]

    def large(*lines: str) -> dict[str, str]:
        return {"a": "".join(f"{line}\n" for line in lines)}

    base = made(there, large(first, *middle, last))
    head = made(there, large(first, *middle, "ours"), base)
    target = made(there, large("theirs", *middle, last), base)
    with with_bytes(tmp_path / "disk", 1 << 20) as disk:
        make_bare(disk / "q.git")
        with pytest.raises(DiskFull):
            transplant(Objects(disk / "q.git", there.borrowed), STYLE, since=base, head=head, onto=target)


def test_without_unpushed_work_the_start_is_the_target(there: Objects) -> None:
    pushed = made(there, {"a": text()})
    target = made(there, {"a": text(l0="theirs")})

    assert transplant(there, STYLE, since=pushed, head=pushed, onto=target) == target


@pytest.mark.parametrize("way", ["squash", "merge", "rebase", "closed"])
def test_unpushed_work_becomes_one_commit_of_the_bot_on_the_target(there: Objects, way: str) -> None:
    base = made(there, {"a": text(), "b": "b\n"})
    pushed = made(there, {"a": text(l1="pushed"), "b": "b\n"}, base)
    head = made(there, {"a": text(l1="pushed", l7="not pushed"), "b": "b\n", "n": "new\n"}, pushed)
    theirs = {"a": text(l1="pushed"), "b": "theirs\n"} if way != "closed" else {"a": text(), "b": "theirs\n"}
    parents = {"squash": [base], "merge": [base, pushed], "rebase": [base], "closed": [base]}[way]
    target = made(there, theirs, *parents)

    moved = transplant(there, STYLE, since=pushed, head=head, onto=target)

    first = "pushed" if way != "closed" else "line 1"
    assert files_of(there, moved) == {"a": text(l1=first, l7="not pushed"), "b": "theirs\n", "n": "new\n"}
    shown = there.git("log", "-1", "--format=%P|%an|%cn|%B", moved).decode().strip()
    assert shown == f"{target}|Forgehand|Forgehand|c\n\nCo-authored-by: ann <a@b>"
    assert transplant(there, STYLE, since=pushed, head=head, onto=target) == moved


def test_work_that_the_target_has_already_adds_nothing(there: Objects) -> None:
    pushed = made(there, {"a": text()})
    head = made(there, {"a": text(l2="both")}, pushed)
    target = made(there, {"a": text(l2="both")}, pushed)

    assert transplant(there, STYLE, since=pushed, head=head, onto=target) == target


def test_a_conflict_is_no_start(there: Objects) -> None:
    pushed = made(there, {"a": text()})
    head = made(there, {"a": text(l2="ours")}, pushed)
    target = made(there, {"a": text(l2="theirs")}, pushed)

    assert transplant(there, STYLE, since=pushed, head=head, onto=target) == ""


def test_a_missing_commit_is_an_error(there: Objects) -> None:
    pushed = made(there, {"a": text()})
    head = made(there, {"a": text(l2="ours")}, pushed)

    with pytest.raises(GitFailed):
        transplant(there, STYLE, since=pushed, head=head, onto="1" * 40)


@settings(max_examples=15, deadline=None)
@given(
    ours=st.sets(st.integers(0, 3), min_size=1),
    pushed=st.sets(st.integers(0, 3)),
    theirs=st.sets(st.integers(0, 3)),
)
def test_the_result_has_the_unpushed_changes_and_all_of_the_target(
    there: Objects, ours: set[int], pushed: set[int], theirs: set[int]
) -> None:
    """Each number is a file of its own. A file that both sides change conflicts."""

    def files(*changes: tuple[str, set[int]]) -> dict[str, str]:
        return {f"f{at}": "".join(f"{who}\n" for who, whose in changes if at in whose) for at in range(4)}

    old = made(there, files(("pushed", pushed)))
    head = made(there, files(("pushed", pushed), ("ours", ours)), old)
    target = made(there, files(("theirs", theirs), ("pushed", pushed)))

    moved = transplant(there, STYLE, since=old, head=head, onto=target)

    if ours & theirs:
        assert all(at in pushed for at in ours & theirs) or moved == ""
    else:
        assert files_of(there, moved) == files(("theirs", theirs), ("pushed", pushed), ("ours", ours))
