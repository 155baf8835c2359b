"""An export of a change has the instruction files of the base, whatever the agent did to them."""

import subprocess

import pytest

from bot.agents.registry import instruction_files
from bot.sandbox.export.protected_paths import pathspecs
from bot.sandbox.export.workspace_export import Rules
from tests.sandbox.export_source import Site, commit
from tests.sandbox.long_cases import mostly_long

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
