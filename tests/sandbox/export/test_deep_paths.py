"""Exports whose few objects contain huge numbers of paths are refused within 700 MB of memory."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from tests.sandbox.export_source import Site
from tests.sandbox.memory_limited import Group, export_in, memory_group

DEPTH = 1996


@pytest.fixture
def group() -> Iterator[Group]:
    with memory_group(700_000_000) as group:
        yield group


def deep(site: Site, number: int) -> None:
    """Make HEAD a commit of this many files, each at the maximum depth of a path."""
    path = "a/" * DEPTH + "x"
    commit = "commit refs/heads/one\ncommitter A <a@example.org> 1700000000 +0000\ndata 0\n"
    site.git("fast-import", "--quiet", stdin=f"{commit}M 100644 inline p/{path}\ndata 0\n\n")
    folder = site.git("rev-parse", "refs/heads/one:p")
    site.git("update-ref", "-d", "refs/heads/one")
    lines = "".join(f"040000 tree {folder}\tp{each}\n" for each in range(number))
    head_to(site, site.git("mktree", stdin=lines))


def head_to(site: Site, tree: str) -> None:
    site.git("update-ref", "HEAD", site.git("commit-tree", "-p", site.base, "-m", "Work", tree))


# Small and large numbers are handled by the same code, up to a limit on the bytes of all names.
NUMBERS = [pytest.param(60, marks=pytest.mark.long), pytest.param(1_000, marks=pytest.mark.long), 8_000]


@pytest.mark.parametrize("number", NUMBERS)
def test_a_very_deep_path_is_reported_with_the_limit(
    site: Site, group: Group, number: int, record_property: Callable[[str, object], None]
) -> None:
    deep(site, number)

    # Like an export by the janitor, which repeats it.
    outcome = export_in(group, site.image, replace(site.plan(), succeeded=False))

    assert (outcome.status, outcome.error) == (0, "ExportRefused")
    assert outcome.text.startswith("`p0/a/a/a/")
    assert "lies more than 100 folders deep" in outcome.text
    assert len(outcome.text) < 400
    record_property("figure", f"{number} paths: {outcome.peak} MiB at most in one process")


@pytest.mark.long
def test_deep_paths_in_the_final_tree_are_refused(site: Site, group: Group) -> None:
    deep(site, 60)
    site.git("read-tree", "HEAD")
    site.git("update-index", "-z", "--skip-worktree", "--stdin", stdin=site.git("ls-files", "-z"))

    outcome = export_in(group, site.image, site.plan())

    assert (outcome.status, outcome.error) == (0, "ExportRefused")
    assert "100 folders deep" in outcome.text


@pytest.mark.parametrize("number", NUMBERS)
def test_deep_paths_that_a_later_commit_removed_are_exported_as_one_commit_without_them(
    site: Site, group: Group, number: int
) -> None:
    """The host finds these paths, because the container checks only the tree of HEAD."""
    deep(site, number)
    site.commit({"a.py": "1\n"})

    outcome = export_in(group, site.image, site.plan())

    assert (outcome.status, outcome.error, outcome.text) == (0, "", "1")


def test_a_folder_of_ten_thousand_million_files_is_refused_with_the_limit_on_their_number(
    site: Site, group: Group
) -> None:
    made = site.git("mktree", stdin=f"100644 blob {site.git('hash-object', '-w', '--stdin')}\tf\n")
    for _ in range(10):
        made = site.git("mktree", stdin="".join(f"040000 tree {made}\td{each}\n" for each in range(10)))
    head_to(site, made)

    outcome = export_in(group, site.image, replace(site.plan(), succeeded=False))

    assert (outcome.status, outcome.error) == (0, "ExportRefused")
    assert outcome.text.startswith("More than 20,000 files are changed, most of them in `d0`.")


def test_a_huge_file_of_zeros_is_refused_with_its_name(site: Site, group: Group) -> None:
    (site.repo / "zeros").write_bytes(bytes(200 << 20))

    outcome = export_in(group, site.image, site.plan())

    assert (outcome.status, outcome.error) == (0, "ExportRefused")
    assert "`zeros` is larger than 100 MiB" in outcome.text
    assert outcome.peak < 150
