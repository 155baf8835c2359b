"""A long history is exported as it is, with few processes; beyond a limit, as one commit."""

import os
import shutil
from pathlib import Path

import pytest

from bot.sandbox.export.workspace_export import Rules
from tests.sandbox.export_source import Site


def many_commits(site: Site, number: int) -> None:
    """Make this number of commits that change the same file; one git process writes all of them."""
    head = site.git("rev-parse", "HEAD")
    start = "commit refs/heads/many\ncommitter Ann <ann@example.org> 1700000000 +0000\ndata 4\nWork\n"
    texts = [f"{head} {each}\n" for each in range(number)]
    files = [f"M 100644 inline a.py\ndata {len(text)}\n{text}\n" for text in texts]
    site.git(
        "fast-import",
        "--quiet",
        stdin="".join([f"{start}from {head}\n", files[0], *(start + each for each in files[1:])]),
    )
    site.git("reset", "-q", "--hard", "refs/heads/many")
    site.git("update-ref", "-d", "refs/heads/many")


def test_a_violation_only_in_an_earlier_commit_is_dropped(site: Site) -> None:
    site.commit({"big.bin": "x" * 200_000})
    (site.repo / "big.bin").unlink()
    site.commit({"a.py": "1\n"})

    exported = site.take(rules=Rules(blob_bytes=100_000))

    assert exported.commits == 1
    assert site.see("diff", "--name-only", site.base, exported.head) == "a.py"
    assert "200000" not in site.see("cat-file", "--batch-all-objects", "--batch-check")


@pytest.mark.long  # the test before has another violation
def test_too_many_files_only_in_an_earlier_commit_are_dropped(site: Site) -> None:
    site.commit({f"node_modules/m{number}/index.js": "1\n" for number in range(40)})
    site.git("rm", "-r", "-q", "node_modules")
    site.commit({"a.py": "1\n"})

    exported = site.take(rules=Rules(files=20))

    assert (exported.commits, exported.files) == (1, 1)
    assert site.see("diff", "--name-only", site.base, exported.head) == "a.py"


def test_commits_that_change_too_much_together_are_exported_as_one(site: Site) -> None:
    many_commits(site, 25)

    assert site.take(rules=Rules(files=1)).commits == 1
    assert site.take(rules=Rules(files=3)).commits == 25


@pytest.mark.long  # the next tests have too many commits
def test_a_merge_of_too_many_parents_is_exported_as_one_commit(site: Site) -> None:
    sides = [site.git("commit-tree", "-p", site.base, "-m", f"{each}", "HEAD^{tree}") for each in range(4)]
    parents = [word for side in sides for word in ("-p", side)]
    site.commit({"a.py": "1\n"})
    site.git("reset", "-q", site.git("commit-tree", *parents, "-m", "Merge", "HEAD^{tree}"))

    assert site.take(rules=Rules(parents=3)).commits == 1
    assert site.take(rules=Rules(parents=4)).commits == 5


@pytest.mark.parametrize("words", [80_000, pytest.param(8_000_000, marks=pytest.mark.long)])
def test_a_very_long_message_is_cut(site: Site, words: int) -> None:
    site.commit({"a.py": "1\n"})
    site.git("commit", "-q", "--amend", "-F", "-", stdin="words " * words)

    exported = site.take()

    message = site.see("log", "-1", "--format=%B", exported.head)
    assert message.startswith("words words")
    assert len(message) < 17_000


def test_the_number_of_git_processes_does_not_depend_on_the_number_of_commits(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = []
    for commits in (3, 60):
        many_commits(site, commits)
        log = tmp_path / f"{commits}.log"
        counted = tmp_path / "bin" / "git"
        counted.parent.mkdir(exist_ok=True)
        counted.write_text(f'#!/bin/sh\necho "$1" >>{log}\nexec {shutil.which("git")} "$@"\n')
        counted.chmod(0o755)
        with monkeypatch.context() as patched:
            patched.setenv("PATH", f"{counted.parent}:{os.environ['PATH']}")
            exported = site.take()
        assert exported.commits == commits
        # Sorted, because two processes that run at once may write their lines in any order.
        started.append(sorted(log.read_text().split()))
        site.next_run(exported)

    assert len(started[0]) < 15
    assert sorted(started[0]) == sorted(started[1])  # some start at the same time


def test_too_many_commits_are_exported_as_one(site: Site) -> None:
    many_commits(site, 4)

    assert site.take(rules=Rules(commits=3)).commits == 1
    assert site.take(rules=Rules(commits=4)).commits == 4
