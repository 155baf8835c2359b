"""An export, from the clone of an agent to the quarantine."""

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from bot.agents.registry import instruction_files
from bot.domain.errors import ExportRefused, SandboxFailed
from bot.domain.interrupt import within
from bot.sandbox.engine.containers import Engine
from bot.sandbox.export.protected_paths import pathspecs
from bot.sandbox.export.workspace_export import Rules, is_done
from tests.sandbox.export_source import Site, commit
from tests.sandbox.long_cases import mostly_long


@pytest.fixture
def site(tmp_path: Path, engine: Engine, image: str) -> Site:
    return Site(tmp_path, engine, image)


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


def test_commits_are_exported_with_their_trees_and_the_bot_as_author(site: Site) -> None:
    first = site.commit({"a.py": "1\n"}, "Add a\n\nfixes #12, thanks @ann [skip ci]")
    second = site.commit({"a.py": "2\n"}, "Change a")

    exported = site.take()

    assert (exported.commits, exported.files, exported.changed, exported.protected_paths) == (2, 1, True, [])
    assert site.see("log", "--format=%T", exported.head, f"^{site.base}").split() == [
        site.git("rev-parse", f"{oid}^{{tree}}") for oid in (second, first)
    ]
    assert site.see("log", "-1", "--format=%an %ae %cn %ad", "--date=raw", exported.head) == (
        "Forgehand bot@example.org Forgehand 1700000000 +0100"
    )
    assert site.see("log", "-1", "--format=%B", f"{exported.head}~") == (
        "Add a\n\nfixes no. 12, thanks @ ann (skip ci)\n\n"
        "Co-authored-by: ann <1+ann@users.noreply.example.org>"
    )
    assert site.see("rev-parse", "refs/checked/t1-0") == exported.head
    site.see("fsck", "--strict", "--no-dangling")


def test_a_repeated_export_gives_the_same_commit_ids(site: Site) -> None:
    site.commit({"a.py": "1\n"})
    (site.repo / "left.txt").write_text("not committed\n")

    assert site.take() == site.take()


def test_uncommitted_work_becomes_the_last_commit_and_the_clone_is_not_changed(site: Site) -> None:
    head = site.commit({"a.py": "1\n", ".gitignore": "*.log\n"})
    (site.repo / "src/main.py").unlink()
    (site.repo / "new.txt").write_text("new\n")
    (site.repo / "debug.log").write_text("ignored\n")
    before = site.git("status", "--porcelain")

    exported = site.take()

    assert exported.commits == 2
    assert site.see("ls-tree", "-r", "--name-only", exported.head).split() == [
        ".gitignore", "README.md", "a.py", "new.txt",
    ]  # fmt: skip
    assert site.see("log", "-1", "--format=%s", exported.head) == "Tidy the parser"
    assert site.git("status", "--porcelain") == before
    assert site.git("rev-parse", "HEAD") == head


def test_after_a_failed_run_the_head_is_the_last_commit_and_uncommitted_work_is_a_ref(site: Site) -> None:
    site.commit({"a.py": "1\n"})
    (site.repo / "half.txt").write_text("half\n")

    exported = site.take(succeeded=False)

    assert exported.commits == 1
    assert site.see("ls-tree", "--name-only", exported.head).split() == ["README.md", "a.py", "src"]
    assert site.see("rev-parse", f"{exported.wip}~") == exported.head
    assert site.see("rev-parse", "refs/wip/t1-0") == exported.wip
    assert site.see("show", f"{exported.wip}:half.txt") == "half"


def test_the_head_does_not_change_without_new_work(site: Site) -> None:
    exported = site.take()

    assert (exported.head, exported.wip, exported.changed, exported.commits) == (site.base, "", False, 0)


def test_a_change_and_its_revert_change_nothing(site: Site) -> None:
    site.commit({"README.md": "other\n"})
    site.commit({"README.md": "hello\n"})

    assert not site.take().changed


def test_a_later_export_is_based_on_the_former_one_and_has_every_commit_once(site: Site) -> None:
    site.commit({"a.py": "1\n"}, "One")
    first = site.take()
    site.next_run(first)
    site.commit({"b.py": "1\n"}, "Two")

    second = site.take()

    assert site.see("log", "--format=%s", second.head).split() == ["Two", "One", "First"]
    assert site.see("rev-parse", f"{second.head}~") == first.head


@pytest.mark.parametrize(
    "undo",
    [
        ["commit", "-q", "--amend", "-m", "Other"],
        pytest.param(["reset", "-q", "--hard", "HEAD~2"], marks=pytest.mark.long),
    ],
)
def test_rewritten_history_is_exported_as_one_commit_on_the_checked_head(site: Site, undo: list[str]) -> None:
    site.commit({"a.py": "1\n"})
    site.commit({"b.py": "1\n"})
    first = site.take()
    site.next_run(first)
    site.git(*undo)
    site.commit({"c.py": "1\n"})

    second = site.take()

    assert second.commits == 1
    assert site.see("rev-parse", f"{second.head}~") == first.head
    assert site.see("rev-parse", f"{second.head}^{{tree}}") == site.git("rev-parse", "HEAD^{tree}")


def test_commits_of_other_people_have_the_same_ids_after_a_merge(site: Site) -> None:
    site.commit({"a.py": "1\n"})
    upstream = commit(site.upstream, {"up.py": "1\n", "odd\tname": "theirs\n"}, "Theirs")
    site.fetch()
    site.show(upstream)
    site.git("merge", "-q", "-m", "Merge", upstream)

    exported = site.take()

    assert exported.commits == 2
    assert site.see("log", "-1", "--format=%P", exported.head).split()[1] == upstream
    assert site.see("log", "--format=%s %an", exported.head).split("\n").count("Theirs Ann") == 1


def test_protected_paths_changed_since_the_trusted_head_are_named(site: Site) -> None:
    site.commit({".github/workflows/ci.yml": "on: push\n", "a.py": "1\n"})
    first = site.take()
    site.next_run(first)
    site.commit({"b.py": "1\n"})

    second = site.take()

    assert second.protected_paths == first.protected_paths == [".github/workflows/ci.yml"]
    assert site.take(trusted_head=first.head).protected_paths == []


def test_result_and_question_are_exported(site: Site) -> None:
    (site.out / "result.json").write_text(
        '{"summary": "Did\\u001b[31m it", "title": "Better\\nx", "usage": 3}'
    )
    (site.out / "question.md").write_text("Which one?\n")
    (site.repo / "a.py").write_text("1\n")

    exported = site.take()

    assert (exported.result.summary, exported.result.title, exported.question) == (
        "Did it",
        "Better",
        "Which one?",
    )
    assert site.see("log", "-1", "--format=%s", exported.head) == "Better"


def test_a_linked_result_is_ignored_and_a_long_question_is_cut(site: Site) -> None:
    (site.out / "result.json").symlink_to("/etc/passwd")
    (site.out / "question.md").write_text("x" * 200_000)

    exported = site.take()

    assert exported.result.summary == ""
    assert len(exported.question) == 65_536


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


def test_more_protected_paths_than_fit_in_a_comment_are_counted(site: Site) -> None:
    site.commit({f"{number:04}{'x' * 200}/CODEOWNERS": "1\n" for number in range(300)})

    protected = site.take().protected_paths

    assert len(protected) < 300
    assert sum(map(len, protected)) < 21_000
    assert protected[-1] == f"… and {300 - len(protected) + 1} more"


def test_too_many_commits_are_exported_as_one(site: Site) -> None:
    many_commits(site, 4)

    assert site.take(rules=Rules(commits=3)).commits == 1
    assert site.take(rules=Rules(commits=4)).commits == 4


def test_a_pack_that_is_too_large_is_refused(site: Site) -> None:
    site.commit({"a.bin": "".join(str(n * n) for n in range(20_000))})

    with pytest.raises(ExportRefused, match="maximum allowed size"):
        site.take(rules=Rules(pack_bytes=10_000))


def test_an_export_container_that_fails_midway_raises_its_own_error(site: Site) -> None:
    site.commit({"a.py": "1\n"})

    with pytest.raises(SandboxFailed, match="bad object"):
        site.take(shown=["1" * 40])


def test_leftovers_of_killed_exports_do_not_block_the_next_export_and_are_removed(site: Site) -> None:
    stale = site.quarantine.parent / "forgehand-t1-0-0-export.incoming"
    stale.mkdir()
    site.commit({"a.py": "1\n"})
    lock = site.quarantine / "refs" / "checked" / f"{site.plan().run}.lock"
    lock.parent.mkdir(parents=True)
    lock.touch()

    assert site.take().commits == 1

    assert [path.name for path in site.quarantine.parent.iterdir()] == ["t1.git"]


KEEP = pathspecs(instruction_files())
INSTRUCTIONS = {"CLAUDE.md": "theirs\n", "sub/.claude/settings.json": "{}\n"}


@pytest.fixture
def change_site(site: Site) -> Site:
    """Create a clone of a change that has its own instruction files."""
    site.base = site.checked = commit(site.upstream, INSTRUCTIONS, "Theirs")
    site.fetch()
    site.show(site.base)
    site.git("reset", "-q", "--hard", site.base)
    return site


def instructions(site: Site, commit: str) -> str:
    return site.see("ls-tree", "-r", commit, "--", "CLAUDE.md", "sub", ".codex", "docs")


def test_changes_to_instruction_files_are_restored_in_commits_and_uncommitted_work(change_site: Site) -> None:
    change_site.commit({"CLAUDE.md": "base\n", "AGENTS.md": "more\n", "a.py": "1\n"}, "One")
    change_site.commit({"docs/CLAUDE.md": "only this\n"}, "Nothing else")
    change_site.git("mv", "CLAUDE.md", "docs/GEMINI.md")
    change_site.commit({"b.py": "1\n"}, "Two")
    (change_site.repo / "CLAUDE.md").write_text("left\n")
    (change_site.repo / "c.py").write_text("left\n")

    exported = change_site.take(restored_paths=KEEP)

    subjects = change_site.see("log", "--format=%s", f"{change_site.base}..{exported.head}").split("\n")
    assert subjects == ["Tidy the parser", "Two", "One"]
    assert (exported.commits, exported.protected_paths) == (3, [])
    for back, changed in enumerate(("c.py", "b.py", "a.py")):
        made = f"{exported.head}~{back}"
        assert change_site.see("diff", "--name-only", f"{made}~", made) == changed


def test_changes_to_instruction_files_alone_change_nothing(change_site: Site) -> None:
    change_site.commit({"CLAUDE.md": "base\n"})
    (change_site.repo / "AGENTS.md").write_text("left\n")

    exported = change_site.take(restored_paths=KEEP)
    assert (exported.head, exported.changed, exported.commits) == (change_site.base, False, 0)
    assert change_site.take(restored_paths=KEEP, succeeded=False).wip == ""


HARMS = [
    "rm CLAUDE.md && ln -s /etc/passwd CLAUDE.md",
    "rm CLAUDE.md && mkdir CLAUDE.md && echo x >CLAUDE.md/x",
    "rm -r sub && echo x >sub",
    "rm -r sub/.claude && ln -s ../src sub/.claude",
    "ln -s src .codex",
    "chmod +x CLAUDE.md",
    "mkdir docs && echo x >docs/claude.MD",
]
# These groups contain all harms, and no group changes a file twice. A changed mode matters least.
HARMS_TOGETHER = [" && ".join(HARMS[each] for each in some) for some in ((1, 2, 4, 6), (0, 3))] + [HARMS[5]]


@pytest.mark.parametrize("harm", mostly_long([*HARMS_TOGETHER, *HARMS[:5], HARMS[6]], HARMS_TOGETHER[:2]))
def test_a_link_or_a_folder_in_place_of_an_instruction_file_is_replaced(change_site: Site, harm: str) -> None:
    change_site.commit({"a.py": "1\n"})
    subprocess.run(["sh", "-ec", harm], cwd=change_site.repo, check=True)

    exported = change_site.take(restored_paths=KEEP)

    assert change_site.see("diff", "--name-only", change_site.base, exported.head) == "a.py"
    assert instructions(change_site, exported.head) == instructions(change_site, change_site.base)
    change_site.see("fsck", "--strict", "--no-dangling")


def test_instruction_files_are_restored_in_flattened_history(change_site: Site) -> None:
    change_site.commit({"CLAUDE.md": "base\n", "a.py": "1\n"})
    change_site.commit({"AGENTS.md": "base\n", "b.py": "1\n"})
    change_site.git("commit", "-q", "--amend", "--no-edit", "-m", "Other")

    exported = change_site.take(restored_paths=KEEP, rules=Rules(commits=1))
    assert change_site.see("diff", "--name-only", change_site.base, exported.head).split() == ["a.py", "b.py"]
    change_site.git("update-ref", "HEAD", change_site.git("commit-tree", "HEAD^{tree}", "-m", "No parent"))
    (change_site.repo / "c.py").write_text("left\n")
    other = change_site.take(restored_paths=KEEP, succeeded=False)
    assert change_site.see("rev-parse", f"{other.head}~") == change_site.base
    assert change_site.see("diff", "--name-only", change_site.base, other.wip).split() == [
        "a.py",
        "b.py",
        "c.py",
    ]


def test_a_merge_has_the_changes_of_other_people_to_instruction_files(change_site: Site) -> None:
    upstream = commit(change_site.upstream, {"AGENTS.md": "news\n", "up.py": "1\n"}, "News")
    change_site.fetch()
    change_site.show(upstream)
    change_site.commit({"a.py": "1\n", "CLAUDE.md": "base\n"})
    change_site.git("merge", "-q", "-m", "Merge", upstream)
    change_site.git("rm", "-q", "AGENTS.md")
    change_site.git("commit", "-q", "--amend", "-m", "Merge")

    exported = change_site.take(restored_paths=KEEP)

    assert change_site.see("log", "-1", "--format=%P", exported.head).split()[1] == upstream
    assert change_site.see("diff", "--name-only", upstream, exported.head) == "a.py"


@pytest.mark.long
def test_a_merge_of_two_versions_of_an_instruction_file_is_flattened(change_site: Site) -> None:
    upstream = commit(change_site.upstream, {"CLAUDE.md": "news\n", "up.py": "1\n"}, "News")
    change_site.fetch()
    change_site.show(upstream)
    ours = commit(change_site.repo, {"CLAUDE.md": "ours\n"}, "Ours before", env=change_site.env)
    change_site.next_run(change_site.take())
    change_site.git("merge", "-q", "-s", "ours", "-m", "Merge", upstream)
    change_site.commit({"a.py": "1\n"})

    exported = change_site.take(restored_paths=KEEP)

    assert change_site.see("rev-parse", f"{exported.head}~") == change_site.checked != ours
    assert change_site.see("diff", "--name-only", change_site.checked, exported.head) == "a.py"


class _RaisesAt:
    """A check that raises when it is called for the n-th time."""

    def __init__(self, n: int) -> None:
        self._left = n

    def __call__(self) -> None:
        self._left -= 1
        if not self._left:
            raise TimeoutError


# Step 3 tests every third time only, because each time costs a container.
@pytest.mark.parametrize("step", [3, pytest.param(1, marks=pytest.mark.long)])
def test_an_export_that_is_interrupted_at_any_step_leaves_no_traces_and_can_be_repeated(
    site: Site, step: int
) -> None:
    site.commit({"a.py": "1\n"}, "One")
    site.commit({"a.py": "2\n"}, "Two")
    (site.repo / "half.txt").write_text("half\n")
    interrupted, exported = 0, None

    while exported is None:
        try:
            exported = site.take(succeeded=False, check=_RaisesAt(interrupted + 1))
        except TimeoutError:
            interrupted += step
            assert not is_done(site.quarantine, "t1-0")
            assert site.see("for-each-ref") == ""
            assert list(site.quarantine.parent.glob("*.incoming")) == []
            assert site.engine.ours() == []

    assert interrupted >= 6  # including the unpacking, each written commit, and the promotion
    assert site.see("show", f"{exported.wip}:half.txt") == "half"
    assert site.see("rev-parse", "refs/checked/t1-0") == exported.head
    assert (site.repo / "half.txt").read_text() == "half\n"


def test_a_check_that_raises_ends_a_hanging_export(site: Site) -> None:
    work = site.commit({"a.py": "1\n"})
    configuration = site.repo / ".git" / "config"
    content = configuration.read_bytes()
    configuration.unlink()
    os.mkfifo(configuration)
    began = time.monotonic()

    with pytest.raises((TimeoutError, ExportRefused)):  # ExportRefused if the script itself notices the fifo
        site.take(check=within(3))

    assert time.monotonic() - began < 30
    assert site.engine.ours() == []
    configuration.unlink()
    configuration.write_bytes(content)
    assert site.see("log", "-1", "--format=%T", site.take().head) == site.git("rev-parse", f"{work}^{{tree}}")
