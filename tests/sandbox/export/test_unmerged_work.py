"""Work on an old commit, which the agent must merge with the target branch before it is exported."""

import pytest

from bot.domain.errors import NotMerged
from bot.sandbox.export.checks import Rules
from tests.sandbox.export_source import Site, commit

FIRST = {"a.py": "1\n"}


@pytest.fixture
def target(site: Site) -> str:
    """Return the head of the target branch, which has a squash of the first export that conflicts."""
    site.commit(FIRST, "One")
    site.next_run(site.take())
    commit(site.upstream, {"a.py": "squash\n"}, "One (#1)")
    head = commit(site.upstream, {"theirs.py": "theirs\n"}, "Theirs")
    site.mirror = site.fetch()
    site.show(head)
    site.base = head
    return head


def merge(site: Site, target: str) -> None:
    """Merge the target branch as an agent does, and keep both versions."""
    site.commit({"b.py": "mine\n"}, "Two")
    site.git("merge", "-q", "-s", "ours", "--no-commit", target)
    site.git("checkout", target, "--", "theirs.py")
    site.commit({"a.py": "both\n"}, "Merge")


def test_merged_work_becomes_one_commit_on_the_target(site: Site, target: str) -> None:
    merge(site, target)
    (site.repo / "c.py").write_text("not committed\n")

    exported = site.take(onto=target)

    assert site.see("log", "--format=%P|%an|%s", "-1", exported.head) == f"{target}|Forgehand|Tidy the parser"
    changed = site.see("diff", "--name-status", target, exported.head).split()
    assert changed == ["M", "a.py", "A", "b.py", "A", "c.py"]
    assert site.see("show", f"{exported.head}:a.py") == "both"
    assert (exported.commits, exported.files, exported.changed) == (1, 3, True)
    assert site.take(onto=target).head == exported.head


def test_work_without_the_merge_is_refused(site: Site, target: str) -> None:
    site.commit({"b.py": "mine\n"}, "Two")

    with pytest.raises(NotMerged, match=f"does not contain commit `{target[:10]}`"):
        site.take(onto=target)

    assert not (site.quarantine / "refs" / "checked" / "t1-1").exists()


def test_a_merge_that_was_not_committed_is_refused(site: Site, target: str) -> None:
    site.git("merge", "-q", "-s", "ours", "--no-commit", target)

    with pytest.raises(NotMerged):
        site.take(onto=target)


@pytest.mark.parametrize("how", ["failed", "question"])
def test_work_of_an_agent_that_has_not_ended_well_stays_on_the_old_commits(
    site: Site, target: str, how: str
) -> None:
    site.commit({"b.py": "mine\n"}, "Two")
    if how == "question":
        (site.out / "question.md").write_text("Which version?")

    exported = site.take(onto=target, succeeded=how == "question")

    assert site.see("log", "--format=%s", exported.head).split() == ["Two", "One", "First"]
    assert site.see("rev-parse", f"{exported.head}~") == site.checked


def test_a_file_that_was_too_large_in_between_does_not_stop_merged_work(site: Site, target: str) -> None:
    rules = Rules(blob_bytes=1_000)
    site.commit({"big.bin": "x" * 1_001}, "Big")
    (site.repo / "big.bin").unlink()
    merge(site, target)

    exported = site.take(onto=target, rules=rules)

    assert site.see("rev-parse", f"{exported.head}~") == target
    assert "big.bin" not in site.see("ls-tree", "--name-only", exported.head)
