# ruff: noqa: E501 - tables are easier to read with one line for each script
"""An export contains all paths that the agent edited, and no others, in any state of the clone."""

import pytest

from tests.sandbox.export.edited_clone import (
    CRLF,
    LF,
    begin_at,
    changed,
    content_at,
    differing,
    shell,
    stored,
)
from tests.sandbox.export_source import Site, commit
from tests.sandbox.long_cases import mostly_long

CHANGES: dict[str, tuple[str, list[str]]] = {
    "a forced file": ("echo '*.log' >.gitignore; echo 1 >a.log; git add -f a.log", [".gitignore", "a.log"]),
    "a forced file that was removed": ("echo '*.log' >.gitignore; echo 1 >a.log; git add -f a.log; rm a.log", [".gitignore"]),
    "an ignored file": ("echo '*.log' >.gitignore; echo 1 >a.log", [".gitignore"]),
    "a file in info/exclude": ("echo '*.log' >>.git/info/exclude; echo 1 >a.log", []),
    "removed from the index and ignored": ("git rm -q --cached README.md; echo README.md >.gitignore", [".gitignore", "README.md"]),
    "removed only from the index": ("git rm -q --cached README.md", []),
    "removed from the index and ignored, with its folder": (
        "git rm -rq --cached src; echo /src >.gitignore", [".gitignore", "src/main.py"],
    ),
    "removed": ("rm README.md", ["README.md"]),
    "removed with its folder": ("rm -r src", ["src/main.py"]),
    "a folder in place of a file": ("rm README.md; mkdir README.md; echo 1 >README.md/x", ["README.md", "README.md/x"]),
    "a file in place of a folder": ("rm -r src; echo 1 >src", ["src", "src/main.py"]),
    "a link in place of a folder": ("mv src lib; ln -s lib src", ["lib/main.py", "src", "src/main.py"]),
    "a link in place of a file": ("ln -sf src/main.py README.md", ["README.md"]),
    "a sparse checkout": ("git sparse-checkout set --no-cone /README.md; echo 1 >new", ["new"]),
    "a sparse checkout in cones": ("mkdir d; echo 1 >d/x; git sparse-checkout set d", ["d/x"]),
    "a sparse index": ("mkdir d; echo 1 >d/x; git sparse-checkout set --sparse-index d", ["d/x"]),
    "a sparse checkout with a file outside": (
        "git sparse-checkout set --no-cone /README.md; mkdir -p src; echo 2 >src/main.py", ["src/main.py"],
    ),
    "a split index": ("git update-index --split-index; echo 1 >new; git add new; echo 2 >README.md", ["README.md", "new"]),
    "an empty index": ("git read-tree --empty; echo 1 >new", ["new"]),
    "a conflict": (
        "git checkout -qb x; echo 1 >README.md; git commit -qam 1; git checkout -q -; echo 2 >README.md;"
        "git commit -qam 2; git merge x || true", ["README.md"],
    ),
    "added with the intent to add": ("echo 1 >new; git add -N new", ["new"]),
    "odd names": ("mkdir 'a b'; echo 1 >'a b/ö ü'; echo 1 >':(top)x'; echo 1 >-x; echo 1 >0:y",
                  ["-x", "0:y", ":(top)x", "a b/ö ü"]),
    "a name with joiners": ("echo 1 >می‌خواهم.md; mkdir ❤️‍🔥; echo 1 >❤️‍🔥/x", ["می‌خواهم.md", "❤️‍🔥/x"]),
    "a name like an option": ("echo 2 >README.md; mkdir -- --all; echo 1 >--all/x", ["--all/x", "README.md"]),
    "removed from the index, ignored and enlarged": (
        "git rm -q --cached README.md; echo README.md >.gitignore; truncate -s 1T README.md", [".gitignore", "README.md"],
    ),
    "dangling links in .git": ("ln -s b .git/a; ln -s a .git/b; ln -s no .git/c; echo 1 >new", ["new"]),
    "a socket in an ignored repository": (
        "echo v >.gitignore; git init -q v; python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind(\"v/.git/s\")'",
        [".gitignore"],
    ),
    "an empty file": (": >README.md; : >empty", ["README.md", "empty"]),
    "detached": ("git checkout -q --detach; echo 1 >new; git add new; git commit -qm 1; echo 2 >more", ["more", "new"]),
    "packed refs": ("echo 1 >new; git add new; git commit -qm 1; git pack-refs --all; echo 2 >more", ["more", "new"]),
}  # fmt: skip


# These change HEAD, the whole index or the whole .git; all others happen in any folder.
WHOLE = {
    "a file in info/exclude", "a sparse checkout", "a sparse checkout in cones", "a sparse index",
    "a sparse checkout with a file outside", "a split index", "an empty index", "a conflict",
    "dangling links in .git", "detached", "packed refs",
}  # fmt: skip
# A conflict has its own test.
ORDINARY_WHOLE = WHOLE - {
    "a sparse checkout", "a sparse checkout in cones", "a sparse index", "a conflict", "detached",
}  # fmt: skip


@pytest.mark.parametrize("what", mostly_long(CHANGES, ORDINARY_WHOLE))
def test_the_exported_paths_are_those_on_disk(site: Site, what: str) -> None:
    script, paths = CHANGES[what]
    shell(site, script)

    assert changed(site) == sorted(paths)
    site.see("fsck", "--strict", "--no-dangling")


def test_the_exported_paths_are_those_on_disk_for_all_kinds_of_changes_together(site: Site) -> None:
    """Each kind of change has its own folder, with the files of an ordinary task."""
    folders = {what: f"{number:02}" for number, what in enumerate(CHANGES) if what not in WHOLE}
    usual = {"README.md": "hello\n", "src/main.py": "print(1)\n"}
    files = {f"{folder}/{name}": text for folder in folders.values() for name, text in usual.items()}
    begin_at(site, commit(site.upstream, files))
    shell(site, "\n".join(f"(cd {folder}; {CHANGES[what][0]})" for what, folder in folders.items()))

    paths = changed(site)

    found = {
        what: [path.removeprefix(f"{folder}/") for path in paths if path.startswith(f"{folder}/")]
        for what, folder in folders.items()
    }
    assert found == {what: sorted(CHANGES[what][1]) for what in folders}
    assert len(paths) == sum(map(len, found.values()))
    site.see("fsck", "--strict", "--no-dangling")


def test_paths_that_look_like_options_or_patterns_are_exported(site: Site) -> None:
    names = ["d\nD x/\"'", "D y", "S x", "a\tb", "[a]*", "!n", "M\n100644 x\tz", "-z", "caf\udce9", "a\\b"]
    stored(site, dict.fromkeys([*names, "*", "idle\nM x"], LF))
    for name in names:
        (site.repo / name).write_bytes(CRLF)
    (site.repo / "*").unlink()

    listed = site.see("diff", "--no-renames", "--name-status", site.base, site.take().head).split("\n")

    assert sorted(line[:2] for line in listed) == ["D\t", *["M\t"] * len(names)]
    assert "D\t*" in listed
    assert not any("idle" in line for line in listed)


def test_a_conflicted_file_is_exported_with_its_conflict_markers(site: Site) -> None:
    shell(site, CHANGES["a conflict"][0])

    head = site.take().head

    assert differing(site, head) == CHANGES["a conflict"][1]
    assert content_at(site, head, "README.md") == (site.repo / "README.md").read_bytes()


def test_an_export_does_not_change_index_and_status_of_the_clone(site: Site) -> None:
    shell(site, "echo 1 >new; git add new; echo 2 >README.md; touch src/main.py")
    before = (site.repo / ".git/index").read_bytes()

    site.take()

    assert (site.repo / ".git/index").read_bytes() == before
    assert site.git("status", "--porcelain") == "M README.md\nA  new"
