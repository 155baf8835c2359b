# ruff: noqa: E501, FBT001 - tables are easier to read with one line for each script; pytest passes flags by name
"""An edit is exported even if the index of git hides it, or has the same time and size for the file."""

import os
import time

import pytest

from tests.sandbox.export.edited_clone import content, shell
from tests.sandbox.export_source import Site
from tests.sandbox.long_cases import mostly_long


def in_one_second(site: Site, script: str, name: str) -> None:
    """Run the script so that the file and the index have times in the same second; wait for its end."""
    for _ in range(20):
        time.sleep(1 - time.time() % 1)
        shell(site, script)
        if int((site.repo / name).stat().st_mtime) == int((site.repo / ".git/index").stat().st_mtime):
            time.sleep(1.1)
            return
    raise AssertionError("this machine is too slow for the script to take less than a second")


EDITS = {
    "after a commit": "printf 1.2.3 >v; git add v; git commit -qm x; printf 1.2.4 >v",
    "after a checkout": "rm README.md; git checkout -q README.md; printf 'hallo\n' >README.md",
    "right after the clone": "rm .git/index; git reset -q --hard; printf 'hallo\n' >README.md",
    "beside a commit": "git add README.md; printf 'hallo\n' >README.md; git update-index --refresh || true",
}


# Each waits for the beginning of a second, and for its end.
ORDINARY_EDITS = [(False, "after a commit")]


@pytest.mark.parametrize(
    ("resumed", "when"),
    [
        pytest.param(
            resumed,
            when,
            id=f"{'resumed' if resumed else 'first'}-{when}",
            marks=[] if (resumed, when) in ORDINARY_EDITS else [pytest.mark.long],
        )
        for resumed in (False, True)
        for when in EDITS
    ],
)
def test_an_edit_of_the_same_size_in_the_same_second_is_exported(
    site: Site, when: str, resumed: bool
) -> None:
    if resumed:
        site.commit({"before.py": "1\n"})
        site.next_run(site.take())
    name = "v" if when == "after a commit" else "README.md"

    in_one_second(site, EDITS[when], name)

    assert content(site, name) == (site.repo / name).read_bytes()


HIDDEN_EDITS = {
    "assumed unchanged": "git update-index --assume-unchanged README.md",
    "skipped": "git update-index --skip-worktree README.md",
    "ignored by core.ignoreStat": "git config core.ignoreStat true; git update-index README.md",
    "compared only by size and seconds": "git config core.trustctime false; git config core.checkStat minimal; git update-index --refresh",
    "monitored": "git config core.fsmonitor true; git update-index --force-write-index",
}


@pytest.mark.parametrize("how", mostly_long(HIDDEN_EDITS, ["skipped", "monitored"]))
def test_an_edit_is_exported_if_the_index_hides_it(site: Site, how: str) -> None:
    before = (site.repo / "README.md").stat()
    shell(site, f"{HIDDEN_EDITS[how]}; printf 'hallo\n' >README.md")
    os.utime(site.repo / "README.md", ns=(before.st_atime_ns, before.st_mtime_ns))

    assert content(site, "README.md") == b"hallo\n"
