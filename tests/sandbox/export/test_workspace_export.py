"""An export, from the clone of an agent to the quarantine."""

import pytest

from tests.sandbox.export_source import Site, commit


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


def test_more_protected_paths_than_fit_in_a_comment_are_counted(site: Site) -> None:
    site.commit({f"{number:04}{'x' * 200}/CODEOWNERS": "1\n" for number in range(300)})

    protected = site.take().protected_paths

    assert len(protected) < 300
    assert sum(map(len, protected)) < 21_000
    assert protected[-1] == f"… and {300 - len(protected) + 1} more"
