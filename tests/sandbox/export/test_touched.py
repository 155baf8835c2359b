# ruff: noqa: E501, FBT001 - tables are easier to read with one line for each script; pytest passes flags by name
"""An export contains all paths that the agent edited, and no others, in any state of the clone.

Because of attributes and settings git may store other bytes than those on disk, and treat an edited file as
unchanged. Each case was once a lost edit, or a rewritten file that the agent had not edited.
"""

import os
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from bot.domain.errors import ExportRefused
from bot.sandbox.engine.containers import Engine, Mount
from bot.sandbox.export.checks import Rules
from tests.sandbox.export_source import Site, commit, git
from tests.sandbox.long_cases import mostly_long

CRLF = b"one\r\ntwo\r\n"
LF = b"one\ntwo\n"


# Resumed runs rewrite the same files as first runs, so they are only for --long. Edits are tested in both.
MOSTLY_FIRST = pytest.mark.parametrize(
    "resumed", [pytest.param(False, id="first"), pytest.param(True, id="resumed", marks=pytest.mark.long)]
)


@pytest.fixture
def site(tmp_path: Path, engine: Engine, image: str) -> Site:
    return Site(tmp_path, engine, image)


def stored(site: Site, files: Mapping[str, bytes]) -> None:
    """Let the task begin at a commit with exactly these bytes, checked out by git."""
    up, blobs = site.upstream, site.root / "blobs"
    blobs.mkdir()
    for number, blob in enumerate(files.values()):
        (blobs / f"{number}").write_bytes(blob)
    paths = "".join(f"{blobs}/{number}\n" for number in range(len(files)))
    oids = git(up, "hash-object", "-w", "--no-filters", "--stdin-paths", stdin=paths).split()
    entries = (f"100644 {oid}\t{name}\0" for oid, name in zip(oids, files, strict=True))
    git(up, "update-index", "-z", "--index-info", stdin="".join(entries))
    git(up, "commit", "-q", "-m", "Stored")
    begin_at(site, git(up, "rev-parse", "HEAD"))


def begin_at(site: Site, oid: str) -> None:
    site.base = oid
    site.fetch()
    site.show(site.base)
    site.git("reset", "-q", "--hard", site.base)


def shell(site: Site, script: str) -> None:
    """Run a script as the agent, in the clone."""
    closed = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", **site.env}
    person = {f"GIT_{who}_{what}": "a" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    subprocess.run(["sh", "-ec", script], cwd=site.repo, env={**closed, **person}, check=True)


def changed(site: Site, **more: object) -> list[str]:
    """Return the paths that the export changes."""
    return differing(site, site.take(**more).head)


def differing(site: Site, head: str) -> list[str]:
    """Return the paths that differ between the start of the task and this commit."""
    names = site.see("diff", "--no-renames", "--name-only", "-z", site.base, head).split("\0")
    return [name for name in names if name]


def content(site: Site, name: str) -> bytes:
    """Return the content of a file after the export."""
    return content_at(site, site.take().head, name)


def content_at(site: Site, head: str, name: str) -> bytes:
    mirror = {
        "GIT_ALTERNATE_OBJECT_DIRECTORIES": str(site.mirror.path / "objects"),
        "PATH": os.environ["PATH"],
    }
    args = ["git", "-C", str(site.quarantine), "cat-file", "blob", f"{head}:{name}"]
    return subprocess.run(args, env=mirror, capture_output=True, check=True).stdout


# --- an edit of the same size in the second in which git wrote its index


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


# --- files that the agent did not edit

MIXED = b"one\r\ntwo\n"
UTF16 = "working-tree-encoding=UTF-16LE-BOM"
ATTRIBUTES: list[tuple[str, bytes]] = [
    ("text", CRLF),
    ("text", MIXED),
    ("text=auto", CRLF),
    ("text=auto", MIXED),
    ("crlf", CRLF),  # the former name of `text`
    ("text eol=lf", CRLF),
    ("text eol=crlf", LF),
    ("text eol=crlf", CRLF),
    ("text eol=crlf", MIXED),
    ("ident", b"$Id$\n"),
    ("ident", b"$Id: filled in before the attribute came $\n"),
    (UTF16, "ö\n".encode()),
    (f"{UTF16} text eol=crlf", "ö\nü\n".encode()),
    ("filter=lfs", b"version https://git-lfs.github.com/spec/v1\n"),
    ("mine", CRLF),
]
LEGACY = {
    ".gitattributes": "".join(
        [
            "[attr]mine text eol=crlf\n",
            *(f"{number}.txt {one}\n" for number, (one, _) in enumerate(ATTRIBUTES)),
        ]
    ).encode(),
    **{f"{number}.txt": blob for number, (_, blob) in enumerate(ATTRIBUTES)},
}
WITHOUT_EDITS = {
    "nothing": "true",
    "looks": "git status; git diff",
    "touches": "touch *.txt .gitattributes",
    "checks out": "rm *.txt; git checkout -q -- .",
    "rewrites": "for file in *.txt; do cp $file x; cat x >$file; rm x; done",
}


@pytest.mark.parametrize("idle", mostly_long(WITHOUT_EDITS, ["checks out"]))
@MOSTLY_FIRST
def test_an_untouched_file_is_not_rewritten(site: Site, idle: str, resumed: bool) -> None:
    stored(site, LEGACY)
    if resumed:
        site.next_run(site.take())
    shell(site, WITHOUT_EDITS[idle])

    assert not site.take().changed
    (site.repo / "new.py").write_text("1\n")
    assert changed(site) == ["new.py"]


@pytest.mark.parametrize("touched", [0, 1], ids=["even", "odd"])
def test_only_edited_files_are_exported_if_all_files_have_attributes(site: Site, touched: int) -> None:
    """Each file is edited in one of the two cases, and not edited in the other."""
    stored(site, LEGACY)
    numbers = range(touched, len(ATTRIBUTES), 2)
    for number in numbers:
        with (site.repo / f"{number}.txt").open("ab") as file:
            file.write("x\r\n".encode("utf-16-le") if "UTF-16" in ATTRIBUTES[number][0] else b"x\r\n")

    assert changed(site) == sorted(f"{number}.txt" for number in numbers)


SETTINGS = {
    "autocrlf": "git config core.autocrlf true",
    "autocrlf=input": "git config core.autocrlf input",
    "autocrlf in an included file": "echo '[core]\n\tautocrlf = true' >c; git config include.path ../c; echo c >.git/info/exclude",
    "eol": "git config core.eol crlf; echo '*.txt text' >.git/info/attributes",
    "private attributes": "echo '*.txt text eol=crlf' >.git/info/attributes",
    "attributes from another file": "git config core.attributesFile ../a; echo '*.txt text' >../a",
    "a filter": (
        "git config filter.x.clean 'tr a-z A-Z'; git config filter.x.smudge cat; echo '* filter=x' >.git/info/attributes"
    ),
    "mode": "git config core.fileMode false",
    "letter case": "git config core.ignoreCase true",
}


# An ordinary run tests the others below, by their effect on an unedited file next to an edited one.
@pytest.mark.parametrize("setting", mostly_long(SETTINGS, ["autocrlf"]))
@pytest.mark.parametrize(
    "blob", [pytest.param(LF, id="lf"), pytest.param(CRLF, id="crlf", marks=pytest.mark.long)]
)
@MOSTLY_FIRST
def test_a_setting_of_the_agent_rewrites_no_file(
    site: Site, setting: str, blob: bytes, resumed: bool
) -> None:
    stored(site, {"legacy.txt": blob})
    shell(site, SETTINGS[setting])
    if resumed:
        site.next_run(site.take())
    shell(site, "touch *.txt; git status")

    assert not site.take().changed


@pytest.mark.parametrize("setting", mostly_long(["autocrlf", "private attributes"], ["private attributes"]))
def test_a_conversion_of_line_ends_by_a_checkout_is_not_an_edit(site: Site, setting: str) -> None:
    stored(site, {"lf.txt": LF, "crlf.txt": CRLF, "mixed.txt": MIXED})
    shell(site, f"{SETTINGS[setting]}; rm *.txt; git checkout -q -- .")
    assert (site.repo / "lf.txt").read_bytes() == CRLF

    assert not site.take().changed


# The others are similar, or settings that the export does not read.
ORDINARY_SETTINGS = [
    "autocrlf",
    "autocrlf in an included file",
    "eol",
    "private attributes",
    "a filter",
    "mode",
]


@pytest.mark.parametrize("setting", mostly_long(SETTINGS, ORDINARY_SETTINGS))
def test_only_edited_files_are_stored_and_with_the_same_bytes_as_on_disk(site: Site, setting: str) -> None:
    stored(site, {"legacy.txt": LF, "idle.txt": LF})
    shell(site, SETTINGS[setting])
    (site.repo / "legacy.txt").write_bytes(b"one\r\nthree\r\n")
    (site.repo / "new.txt").write_bytes(CRLF)
    (site.repo / "idle.txt").touch()

    head = site.take().head

    assert differing(site, head) == ["legacy.txt", "new.txt"]
    assert content_at(site, head, "legacy.txt") == b"one\r\nthree\r\n"
    assert content_at(site, head, "new.txt") == CRLF


def test_an_edited_file_is_converted_by_the_attributes_of_the_repository(site: Site) -> None:
    stored(
        site, {".gitattributes": b"*.txt text eol=crlf\n*.u16 working-tree-encoding=UTF-16LE\n", "a.txt": LF}
    )
    (site.repo / "a.txt").write_bytes(b"one\r\nthree\r\n")
    (site.repo / "b.u16").write_bytes("ö\n".encode("utf-16-le"))

    head = site.take().head

    assert content_at(site, head, "a.txt") == b"one\nthree\n"
    assert content_at(site, head, "b.u16") == "ö\n".encode()


CHANGED_ATTRIBUTES = {
    "removed": "rm .gitattributes",
    "changed": "echo '* -text' >.gitattributes",
    "changed, and committed": "echo '* -text' >.gitattributes; git add .gitattributes; git commit -qm x; touch *",
    "not checked out": "git sparse-checkout set --no-cone '/*.txt'; touch *.txt",
}


@pytest.mark.parametrize("what", mostly_long(CHANGED_ATTRIBUTES, ["changed, and committed"]))
@MOSTLY_FIRST
def test_a_file_is_not_rewritten_if_its_attributes_were_removed_or_changed(
    site: Site, what: str, resumed: bool
) -> None:
    stored(site, LEGACY)
    shell(site, CHANGED_ATTRIBUTES[what])
    if resumed:
        site.next_run(site.take())
    (site.repo / "6.txt").write_bytes(b"edited\r\n")

    assert set(changed(site)) - {".gitattributes"} == {"6.txt"}


def test_renormalized_files_are_exported(site: Site) -> None:
    stored(
        site, {"auto.txt": CRLF, "text.txt": CRLF, "idle.txt": CRLF, "edited.txt": CRLF, "undone.txt": CRLF}
    )
    shell(
        site,
        "printf 'auto.txt text=auto\n[eitu]*.txt text\n' >.gitattributes; git add --renormalize auto.txt text.txt edited.txt;"
        "printf 'one\r\nthree\r\n' >edited.txt; cp undone.txt u; echo x >undone.txt; git add undone.txt; mv u undone.txt",
    )

    head = site.take().head

    assert differing(site, head) == [".gitattributes", "auto.txt", "edited.txt", "text.txt"]
    assert content_at(site, head, "auto.txt") == content_at(site, head, "text.txt") == LF
    assert content_at(site, head, "edited.txt") == b"one\nthree\n"


def test_the_content_of_a_file_with_a_changed_mode_is_not_rewritten(site: Site) -> None:
    stored(site, LEGACY)
    shell(site, "chmod +x *.txt; echo x >>0.txt")

    exported = site.take()

    assert differing(site, exported.head) == sorted(f"{number}.txt" for number in range(len(ATTRIBUTES)))
    same = site.see("diff", "--raw", "--no-abbrev", site.base, exported.head).split("\n")
    assert [line.split("\t")[1] for line in same if line.split(" ")[2] != line.split(" ")[3]] == ["0.txt"]


def test_autocrlf_in_the_config_of_the_clone_is_read_like_git_reads_it(site: Site) -> None:
    stored(site, {"a.txt": LF})
    shell(site, "printf '[core]\n\tautocrlf\n' >>.git/config; rm a.txt; git checkout -q a.txt")
    assert (site.repo / "a.txt").read_bytes() == CRLF
    assert not site.take().changed

    shell(site, "git config --add core.autocrlf false")
    assert changed(site) == ["a.txt"]


@pytest.mark.long  # the tests above have such changes with all settings
def test_intended_changes_of_line_ends_are_exported(site: Site) -> None:
    stored(site, {"a.bat": LF})
    (site.repo / "a.bat").write_bytes(CRLF)

    assert content(site, "a.bat") == CRLF


def test_text_that_its_encoding_cannot_decode_is_refused_with_its_path(site: Site) -> None:
    stored(site, {".gitattributes": b"*.u16 working-tree-encoding=UTF-16\n"})
    (site.repo / "b.u16").write_bytes(b"\xff")

    with pytest.raises(ExportRefused, match=r"could not be read.*'b.u16'"):
        site.take()


# --- added, changed and removed paths


def test_a_changed_mode_is_exported_even_if_git_ignores_modes(site: Site) -> None:
    shell(site, "git config core.fileMode false; chmod +x README.md")

    assert changed(site) == ["README.md"]


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
        ["file", "link", "vendored", "vendored/x", "added", "added/x", "staged", "moved", "removed"]
    )
    assert content_at(site, exported.head, "file") == b"1\n"
    site.next_run(exported)
    assert site.take().head == site.checked


# --- paths that cannot be exported

REFUSED: dict[str, tuple[str, str]] = {
    "an unreadable file": (
        "chmod 000 README.md; echo 1 >new",
        "^`README.md` could not be read. Run `chmod u.r`",
    ),
    "a folder that cannot be entered": (
        "mkdir -p d/e; mv src d/e; git add d; git commit -qm 1; chmod 644 d/e",
        "folder `d/e/` cannot be opened",
    ),
    "a new folder that cannot be entered": (
        "mkdir new; echo 1 >new/x; chmod 644 new",
        "`new/x` could not be read",
    ),
    "an unreadable folder": ("echo 2 >src/main.py; chmod 000 src", "folder `src/` cannot be opened"),
    "a new unreadable folder": ("mkdir new; echo 1 >new/x; chmod 000 new", "folder `new/` cannot be opened"),
    "a repository of its own": ("git init -q wt/x; echo 1 >wt/x/y", "`wt/x/` is a repository of its own"),
    "a submodule that was not fetched, with files": (
        "git update-index --add --cacheinfo 160000,$(git rev-parse HEAD),lib; git commit -qm 1; mkdir lib; echo 1 >lib/x",
        "`lib` is a submodule that was not fetched, and its folder contains files",
    ),
    "a repository that was added by force": (
        "echo v >.gitignore; git init -q v; git -C v commit -q --allow-empty -m 1; git add -f v",
        "`v` is a repository of its own",
    ),
    "a reserved name as a short name of Windows": (
        "echo 1 >new; mkdir git~1; echo 1 >git~1/x",
        "`git~1/x` has a name that git reserves",
    ),
    "a reserved name in capitals": ("echo 1 >new; echo 1 >.GIT", "`.GIT` has a name that git reserves"),
    "a link that git refuses": (
        "ln -s README.md .gitmodules",
        "`.gitmodules` has a name that git reserves",
    ),
    "an unreadable index": (
        "echo '*.log' >.gitignore; echo 1 >a.log; git add -f a.log; chmod 000 .git/index",
        "`.git/index` cannot be read",
    ),
    "an unreadable list of ignored paths": (
        "chmod 000 .git/info/exclude",
        "`.git/info/exclude` cannot be read",
    ),
    "a linked list of ignored paths": (
        "mv .git/info/exclude e; ln -s ../../e .git/info/exclude",
        "`.git/info/exclude` cannot be read",
    ),
    "a branch without a commit": (
        "git checkout -q --orphan o",
        "no commit to take.* Check out a branch, or commit",
    ),
    "a broken index": ("echo x >.git/index", "`.git/index` cannot be read"),
    "a linked index": ("mv .git/index i; ln -s ../i .git/index", "`.git/index` cannot be read"),
}


# One for each message, and for each list or index that the script reads.
ORDINARY_REFUSED = {
    "an unreadable file", "a folder that cannot be entered", "a repository of its own",
    "a submodule that was not fetched, with files", "a reserved name as a short name of Windows",
    "a linked list of ignored paths", "a broken index",
}  # fmt: skip


@pytest.mark.parametrize("what", mostly_long(REFUSED, ORDINARY_REFUSED))
def test_paths_that_cannot_be_exported_are_refused_with_their_names(site: Site, what: str) -> None:
    script, reason = REFUSED[what]
    shell(site, script)
    try:
        with pytest.raises(ExportRefused, match=reason):
            site.take()
    finally:
        subprocess.run(["chmod", "-R", "u+rwX", str(site.repo)], check=True)


DAMAGED = {
    "a missing file": "rm $(file HEAD~1:a)",
    "a broken file": "chmod +w $(file HEAD~1:a); echo x >$(file HEAD~1:a)",
    "a file cut short": "chmod +w $(file HEAD:a); truncate -s 500 $(file HEAD:a)",
    "a missing commit": "rm $(file HEAD~1)",
    "a missing file of HEAD, and a new one": "rm $(file HEAD:a); echo 1 >new",
}


@pytest.mark.parametrize("what", mostly_long(DAMAGED, ["a file cut short", "a missing commit"]))
def test_an_export_with_a_missing_or_damaged_object_is_refused_with_the_next_step(
    site: Site, what: str
) -> None:
    file = "file() { git rev-parse $1 | sed 's|^..|.git/objects/&/|'; }"
    shell(site, "echo 1 >a; git add a; git commit -qm 1; seq 1 3000 >a; git commit -qam 2")
    shell(site, f"{file}; {DAMAGED[what]}")

    with pytest.raises(
        ExportRefused, match=r"missing in `.git/objects`, or damaged. Find it with `git fsck`"
    ):
        site.take()


PROGRAMS = ["cat", "cut", "du", "find", "grep", "sed", "sort", "tr", "uniq", "xargs"]


@pytest.mark.parametrize("program", mostly_long(PROGRAMS, ["du", "find", "sort"]))
def test_an_export_is_refused_if_a_program_of_its_script_fails(site: Site, program: str) -> None:
    shell(site, "echo 2 >README.md; echo 1 >'a b'; git add 'a b'; rm -r src")
    failing = site.root / "failing"
    failing.write_text("#!/bin/bash\nexit 3\n")
    failing.chmod(0o755)
    mounts = [*site.plan().workspace_mounts, Mount(source=failing, target=f"/usr/local/bin/{program}")]

    with pytest.raises(ExportRefused):
        site.take(workspace_mounts=mounts)


def test_an_unreadable_folder_that_is_ignored_does_not_matter(site: Site) -> None:
    shell(site, "echo cache >.gitignore; mkdir cache; echo 1 >cache/x; chmod 000 cache")

    assert changed(site) == [".gitignore"]


HUGE = ["truncate -s 2G huge", "truncate -s 2G README.md", "mkdir -p a/b; truncate -s 101M a/b/huge"]


@pytest.mark.parametrize("script", mostly_long(HUGE, HUGE[:2]))
def test_a_file_over_the_limit_is_refused_before_it_is_read(site: Site, script: str) -> None:
    shell(site, script)

    with pytest.raises(
        ExportRefused, match=r"^`(huge|README.md|a/b/huge)` is larger than 100 MiB. Remove it"
    ):
        site.take(rules=Rules(seconds=30))


@pytest.mark.long  # the test of all kinds of changes has an ignored file of 1 TiB
def test_a_large_file_that_is_ignored_does_not_matter(site: Site) -> None:
    shell(site, "echo huge >.gitignore; truncate -s 2G huge")

    assert changed(site) == [".gitignore"]


def test_an_existing_large_file_does_not_matter_until_it_is_touched(site: Site) -> None:
    stored(site, {"large.bin": bytes(2000), "large.txt": CRLF * 200, ".gitattributes": b"*.txt eol=crlf\n"})
    rules = Rules(blob_bytes=1000)
    (site.repo / "new").write_text("1\n")
    assert changed(site, rules=rules) == ["new"]

    (site.repo / "large.bin").write_bytes(b"x" * 2000)
    with pytest.raises(ExportRefused, match=r"^`large.bin` is larger than 1000 B"):
        site.take(rules=rules)


def test_a_committed_file_over_the_limit_is_refused_before_it_is_packed(site: Site) -> None:
    site.commit({"big.bin": "x" * 3_000_000, "a.py": "1\n"})

    with pytest.raises(ExportRefused, match=r"^`big.bin` is larger than 1.9 MiB"):
        site.take(rules=Rules(blob_bytes=2_000_000, pack_bytes=100))


def test_a_removed_file_over_the_limit_is_not_sent(site: Site) -> None:
    site.commit({"big.bin": "".join(str(n * n) for n in range(20_000))})
    (site.repo / "big.bin").unlink()
    site.commit({"a.py": "1\n"})
    (site.repo / "b.py").write_text("2\n")

    exported = site.take(rules=Rules(blob_bytes=100_000, pack_bytes=20_000))

    assert exported.commits == 2
    assert site.see("diff", "--name-only", site.base, exported.head).split() == ["a.py", "b.py"]


def test_a_history_with_a_large_file_is_exported_as_one_commit_despite_an_invalid_date(site: Site) -> None:
    shell(
        site,
        "seq 1 50000 >big; git add big; git commit -qm 1; git rm -q big; git commit -qm 2; echo 1 >new; git add new;"
        "printf 'tree %s\\nparent %s\\nauthor a <a>\\ncommitter a <a> 5 +0000\\n\\nx\\n' $(git write-tree) $(git rev-parse HEAD) >../c;"
        "git update-ref HEAD $(git hash-object --literally -t commit -w ../c)",
    )

    assert changed(site, rules=Rules(blob_bytes=100_000)) == ["new"]


def test_too_many_files_in_the_top_folder_are_refused_with_its_name(site: Site) -> None:
    shell(site, "seq 1 30 | xargs touch; mkdir d; touch d/1 d/2")

    with pytest.raises(ExportRefused, match=r"most of them in `\.`"):
        site.take(rules=Rules(files=20))


def test_too_many_changed_modes_are_refused(site: Site) -> None:
    stored(site, {f"old/{number}": LF for number in range(30)})
    shell(site, "chmod +x old/*")

    with pytest.raises(ExportRefused, match="More than 20 files are changed, most of them in `old`"):
        site.take(rules=Rules(files=20))


@pytest.mark.long  # the top folder and one with changed modes are the same
def test_too_many_files_are_refused_with_the_folder_that_has_most(site: Site) -> None:
    folder = site.repo / "dist"
    folder.mkdir()
    for number in range(30):
        (folder / f"{number}").touch()
    (site.repo / "a").touch()

    with pytest.raises(ExportRefused, match="More than 20 files are changed, most of them in `dist`"):
        site.take(rules=Rules(files=20))


@pytest.mark.long  # test_hostile.py has removed files of many folders
def test_too_many_removed_files_are_refused(site: Site) -> None:
    stored(site, {f"old/{number}": LF for number in range(30)})
    shell(site, "rm -r old")

    with pytest.raises(ExportRefused, match="More than 20 files are changed, most of them in `old`"):
        site.take(rules=Rules(files=20))


def test_files_that_are_too_large_together_are_refused_with_the_name_of_the_largest(site: Site) -> None:
    shell(site, "for n in 1 2 3 4; do truncate -s 60M $n; done; truncate -s 61M x")

    with pytest.raises(ExportRefused, match="together are larger than 200 MiB; the largest is `x`"):
        site.take(rules=Rules(total_bytes=200 << 20, seconds=30))


def test_a_path_through_too_many_folders_is_refused(site: Site) -> None:
    deep = site.repo / "/".join("a" * 12)
    deep.mkdir(parents=True)
    (deep / "x").touch()

    with pytest.raises(ExportRefused, match="`a/a/a/a/a/a/a/a/a/a/a/a/x` lies more than 11 folders deep"):
        site.take(rules=Rules(folders=11))
    assert len(changed(site, rules=Rules(folders=12))) == 1


def test_an_export_does_not_change_index_and_status_of_the_clone(site: Site) -> None:
    shell(site, "echo 1 >new; git add new; echo 2 >README.md; touch src/main.py")
    before = (site.repo / ".git/index").read_bytes()

    site.take()

    assert (site.repo / ".git/index").read_bytes() == before
    assert site.git("status", "--porcelain") == "M README.md\nA  new"
