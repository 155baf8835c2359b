# ruff: noqa: E501 - tables are easier to read with one line for each script
"""Repositories in the workspace and the content of submodules stay behind and are named; all other work goes out."""

import pytest

from bot.sandbox.export.workspace_export import Exported
from tests.sandbox.export.edited_clone import LF, changed, content_at, differing, shell, stored
from tests.sandbox.export_source import Site, commit, git
from tests.sandbox.long_cases import mostly_long

GITLINK = "git update-index --add --cacheinfo 160000,$(git rev-parse HEAD)"
MADE = "git init -q wt/x; echo 1 >wt/x/y; git -C wt/x add y; git -C wt/x commit -qm 1"
# An agent sees the clone in /workspace.
WORKTREE = "git worktree add -q wt/x; echo gitdir: /workspace/.git/worktrees/x >wt/x/.git"

CASES: dict[str, tuple[str, list[str], list[tuple[str, int, bool]]]] = {
    "a repository without a commit": ("git init -q scratch; echo 1 >new", ["new"], [("scratch", 0, False)]),
    "a repository with files": (f"{MADE}; echo 1 >new", ["new"], [("wt/x", 1, False)]),
    "a worktree": (f"{WORKTREE}; echo 1 >new", ["new"], [("wt/x", 2, False)]),
    "a worktree after a commit": (
        f"echo 1 >new; git add new; git commit -qm 1; {WORKTREE}; echo 2 >wt/x/new", ["new"], [("wt/x", 3, False)],
    ),
    "a repository that was added": (f"{MADE}; echo 1 >new; git add .", ["new"], [("wt/x", 1, False)]),
    "a repository that was added despite .gitignore": (
        f"{MADE}; echo wt >.gitignore; git add -f wt/x", [".gitignore"], [("wt/x", 1, False)],
    ),
    "a repository that was committed": (f"{MADE}; echo 1 >new; git add .; git commit -qm 1", ["new"], [("wt/x", 1, False)]),
    "a repository that was committed alone": (f"{MADE}; git add .; git commit -qm 1", [], [("wt/x", 1, False)]),
    "a repository that was committed and moved": (
        f"{MADE}; git add .; git commit -qm 1; git -C wt/x commit -q --allow-empty -m 2; echo 1 >new", ["new"], [("wt/x", 1, False)],
    ),
    "a repository in place of a file": ("rm README.md; git init -q README.md; echo 1 >new", ["new"], [("README.md", 0, False)]),
    "a repository that was committed in place of a file": (
        "rm README.md; git init -q README.md; git -C README.md commit -q --allow-empty -m 1; echo 1 >new; git add .; git commit -qm 1",
        ["new"], [("README.md", 0, False)],
    ),
    "a submodule that the agent added": (f"{GITLINK},lib; echo 1 >new; git add new; git commit -qm 1", ["new"], [("lib", 0, False)]),
    "a submodule that was added and removed": (
        f"{GITLINK},lib; git commit -qm 1; git rm -q --cached lib; echo 1 >new; git add new; git commit -qm 2", ["new"], [],
    ),
    "an odd name": (
        "git init -q ':(top)a\tb*'; echo 1 >new; git -C ':(top)a\tb*' commit -q --allow-empty -m 1; git add .; git commit -qm 1",
        ["new"], [(":(top)a\tb*", 0, False)],
    ),
    "an ignored repository": ("echo v >.gitignore; git init -q v; echo 1 >v/x", [".gitignore"], []),
    "a folder without its .git": (f"{MADE}; git add wt; rm -rf wt/x/.git", ["wt/x/y"], []),
}  # fmt: skip
ORDINARY = {
    "a repository without a commit", "a worktree after a commit", "a repository that was committed",
    "a repository that was added despite .gitignore", "a submodule that the agent added", "an odd name",
}  # fmt: skip


def unexported(exported: Exported) -> list[tuple[str, int, bool]]:
    return [(each.path.decode(), each.files, each.is_submodule) for each in exported.unexported]


@pytest.mark.parametrize("what", mostly_long(CASES, ORDINARY))
def test_a_repository_stays_behind_and_the_other_work_is_exported(site: Site, what: str) -> None:
    script, paths, folders = CASES[what]
    shell(site, script)

    exported = site.take()

    assert differing(site, exported.head) == paths
    assert unexported(exported) == folders
    assert "160000" not in site.see("ls-tree", "-r", exported.head)


def test_a_repository_stays_behind_if_the_agent_did_not_succeed(site: Site) -> None:
    shell(site, f"{MADE}; echo 1 >new")

    exported = site.take(succeeded=False)

    assert differing(site, exported.wip) == ["new"]
    assert unexported(exported) == [("wt/x", 1, False)]


def with_submodules(site: Site, *names: str) -> None:
    for name in names:
        git(site.upstream, "update-index", "--add", "--cacheinfo", f"160000,{site.base},{name}")
    stored(site, {"a.txt": LF})


def test_edits_below_the_folder_of_a_submodule_stay_behind_and_are_counted(site: Site) -> None:
    with_submodules(site, "lib", "empty")
    shell(site, "mkdir -p lib/src; echo x >lib/fix.c; echo x >lib/src/main.c")

    exported = site.take()

    assert (exported.changed, unexported(exported)) == (False, [("lib", 2, True)])
    shell(site, "echo 1 >new")
    assert differing(site, site.take().head) == ["new"]


@pytest.mark.parametrize("after", ["", "git add lib", "git add lib; git commit -qm 1"])
def test_a_commit_in_the_folder_of_a_submodule_is_not_referred_to(site: Site, after: str) -> None:
    with_submodules(site, "lib")
    shell(
        site,
        f"cd lib; git init -q; echo 1 >x; git add x; git commit -qm 1; cd ..; echo 1 >new; {after or 'true'}",
    )

    exported = site.take()

    assert differing(site, exported.head) == ["new"]
    assert unexported(exported) == [("lib", 1, True)]


def test_a_submodule_that_a_merged_commit_of_others_added_is_exported(site: Site) -> None:
    commit(site.upstream, {"theirs.txt": "1\n"}, "Theirs")
    git(site.upstream, "update-index", "--add", "--cacheinfo", f"160000,{site.base},lib")
    git(site.upstream, "commit", "-q", "-m", "A submodule")
    theirs = git(site.upstream, "rev-parse", "HEAD")
    site.fetch()
    site.show(theirs)
    site.commit({"ours.txt": "1\n"})
    site.git("merge", "-q", "--no-edit", theirs)
    (site.repo / "lib").mkdir(exist_ok=True)

    exported = site.take()

    assert differing(site, exported.head) == ["lib", "ours.txt", "theirs.txt"]
    assert unexported(exported) == []


@pytest.mark.long  # the next test has one without a change and one that is removed
def test_a_submodule_that_was_not_fetched_is_not_changed_until_its_folder_is_removed(site: Site) -> None:
    up = site.upstream
    git(up, "update-index", "--add", "--cacheinfo", f"160000,{site.base},lib")
    stored(site, {"a.txt": LF})
    assert (site.repo / "lib").is_dir()

    assert not site.take().changed
    (site.repo / "lib").rmdir()
    assert changed(site) == ["lib"]


def test_changes_to_submodules_are_exported(site: Site) -> None:
    up, libs = site.upstream, ["file", "link", "vendored", "added", "staged", "moved"]
    libs += ["removed", "fetched", "idle", "outside"]
    for lib in libs:
        git(up, "update-index", "--add", "--cacheinfo", f"160000,{site.base},{lib}")
    stored(site, {"a.txt": LF})
    shell(
        site,
        "git sparse-checkout set --no-cone '/*' '!/outside'; rmdir file link removed; echo 1 >file; ln -s a.txt link;"
        "git rm -q --cached vendored added; echo 1 >vendored/x; mkdir -p added; echo 1 >added/x; git add added;"
        "git update-index --cacheinfo 160000,$(git rev-parse HEAD),staged;"
        "git init -q fetched; git init -q moved; cd moved; git commit -q --allow-empty -m 1",
    )

    exported = site.take()

    assert differing(site, exported.head) == sorted(
        ["file", "link", "vendored", "vendored/x", "added", "added/x", "staged", "removed"]
    )
    assert content_at(site, exported.head, "file") == b"1\n"
    assert unexported(exported) == [("fetched", 0, True), ("moved", 0, True)]
    site.next_run(exported)
    assert site.take().head == site.checked
