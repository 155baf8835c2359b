"""Exports of clones that a hostile agent prepared: the host is not affected, and each outcome is clear.

Commands in these clones touch a canary at its path on the host. No container
has that path, so only a program on the host could touch it.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from bot.domain.errors import ExportRefused
from bot.sandbox.engine.containers import Engine
from bot.sandbox.export import workspace_export
from bot.sandbox.export.workspace_export import _SCRIPT, Rules, export_work
from tests.sandbox.export_source import Site
from tests.sandbox.long_cases import mostly_long
from tests.support.derived_image import image_with


@dataclass
class Hostile:
    site: Site
    canary: Path

    def head(self, text: str) -> None:
        (self.site.repo / ".git/HEAD").write_text(text)

    def configure(self, text: str) -> None:
        with (self.site.repo / ".git/config").open("a") as file:
            file.write(text.replace("CANARY", f"touch {self.canary}"))


@pytest.fixture
def hostile(tmp_path: Path, engine: Engine, image: str) -> Hostile:
    site = Site(tmp_path, engine, image)
    site.commit({"a.py": "1\n"})
    return Hostile(site, tmp_path / "canary")


def _hooks(hostile: Hostile) -> None:
    hooks = hostile.site.repo / "hooks"
    hooks.mkdir()
    for name in ("pre-commit", "post-checkout", "reference-transaction", "post-index-change", "pre-push"):
        (hooks / name).write_text(f"#!/bin/sh\ntouch {hostile.canary}\n")
        (hooks / name).chmod(0o755)
    hostile.configure('[core]\n\thooksPath = "/workspace/hooks"\n')


def _alternates(hostile: Hostile) -> None:
    (hostile.site.repo / ".git/objects/info/alternates").write_text("/etc\n/root/.ssh\n/nonexistent\n")


def _replaced(hostile: Hostile) -> None:
    site = hostile.site
    site.git("replace", site.git("rev-parse", "HEAD"), site.base)


def _gitfile(hostile: Hostile) -> None:
    repo = hostile.site.repo
    (repo / ".git").rename(repo / "elsewhere")
    (repo / ".git").write_text("gitdir: /workspace/elsewhere\n")
    (repo / ".gitignore").write_text("elsewhere\n")


def _links(hostile: Hostile) -> None:
    for name in ("refs", "objects"):
        path = hostile.site.repo / ".git" / name
        path.rename(path.with_name(f"old-{name}"))
        path.symlink_to(f"old-{name}")


def _linked_head(hostile: Hostile) -> None:
    head = hostile.site.repo / ".git/HEAD"
    head.unlink()
    head.symlink_to("/etc/passwd")


def _locks(hostile: Hostile) -> None:
    for name in ("index", "HEAD", "config", "refs/heads/main"):
        (hostile.site.repo / ".git" / f"{name}.lock").touch()


def _filter(hostile: Hostile, clean: str) -> None:
    hostile.configure(f'[filter "evil"]\n\tclean = "{clean}"\n\tsmudge = "{clean}"\n\trequired = true\n')
    (hostile.site.repo / ".gitattributes").write_text("* filter=evil\n")
    (hostile.site.repo / "b.py").write_text("2\n")


def _fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


SURVIVED: dict[str, Callable[[Hostile], object]] = {
    "hooks": _hooks,
    "fsmonitor": lambda h: h.configure('[core]\n\tfsmonitor = "CANARY; false"\n'),
    "insteadOf": lambda h: h.configure('[url "ext::sh -c CANARY"]\n\tinsteadOf = /\n\tpushInsteadOf = /\n'),
    "ssh and credentials": lambda h: h.configure(
        '[core]\n\tsshCommand = "CANARY"\n\taskPass = "CANARY"\n\tpager = "CANARY"\n'
        '[credential]\n\thelper = "!CANARY"\n[gpg]\n\tprogram = "CANARY"\n[commit]\n\tgpgSign = true\n'
    ),
    "include": lambda h: h.configure("[include]\n\tpath = /etc/shadow\n"),
    "alternates": _alternates,
    "replace": _replaced,
    "gitfile": _gitfile,
    "links in .git": _links,
    "filter": lambda h: _filter(h, "CANARY; cat"),
    "fifo in the worktree": lambda h: os.mkfifo(h.site.repo / "pipe"),
    "stale locks": _locks,
    "index": lambda h: (h.site.repo / ".git/index").unlink(),
    "filter that fails": lambda h: _filter(h, "CANARY; false"),
}


# These are independent, so one clone has them all. `replace` must be first, because it calls git on the host.
TOGETHER = [
    "replace", "alternates", "stale locks", "fifo in the worktree", "hooks", "fsmonitor", "insteadOf",
    "ssh and credentials",
]  # fmt: skip
ALONE = ["gitfile", "links in .git", "filter", "index"]


def test_work_is_exported_despite_many_hostile_files_in_the_clone(hostile: Hostile) -> None:
    for what in TOGETHER:
        SURVIVED[what](hostile)

    exported = hostile.site.take()

    assert hostile.site.see("show", f"{exported.head}:a.py") == "1"
    assert not hostile.canary.exists()


@pytest.mark.parametrize("what", mostly_long(SURVIVED, ALONE))
def test_work_is_exported_despite_each_kind_of_hostile_file_in_the_clone(hostile: Hostile, what: str) -> None:
    SURVIVED[what](hostile)

    exported = hostile.site.take()

    assert hostile.site.see("show", f"{exported.head}:a.py") == "1"
    assert not hostile.canary.exists()


def _no_repository(hostile: Hostile) -> None:
    (hostile.site.repo / ".git").rename(hostile.site.root / "gone")
    (hostile.site.repo / ".git").symlink_to("/etc")


def _tree(hostile: Hostile, *lines: str) -> None:
    """Make HEAD a commit with these entries, which git would not write; the files on disk do not change."""
    site = hostile.site
    tree = site.git("mktree", "--missing", stdin="".join(line + "\n" for line in lines))
    site.git("update-ref", "HEAD", site.git("commit-tree", "-p", "HEAD", "-m", "odd", tree))


def _checked_out(hostile: Hostile, *lines: str) -> None:
    """Make HEAD such a commit, without files on disk that differ from it."""
    _tree(hostile, *lines)
    site = hostile.site
    site.git("read-tree", "HEAD")
    site.git("update-index", "--skip-worktree", *site.git("ls-files").split("\n"))
    for path in list(site.repo.iterdir()):
        if path.name != ".git":
            path.rename(site.root / f"old-{path.name}")


def _blob(hostile: Hostile, content: str) -> str:
    return hostile.site.git("hash-object", "-w", "--stdin", stdin=content)


def _link(hostile: Hostile, target: str) -> None:
    (hostile.site.repo / "src/link").symlink_to(target)


def _letter_case(hostile: Hostile) -> None:
    _checked_out(hostile, *(f"100644 blob {_blob(hostile, name)}\t{name}" for name in "Aa"))


def _file(hostile: Hostile, name: bytes) -> None:
    Path(os.fsdecode(os.fsencode(hostile.site.repo) + b"/" + name)).touch()


REFUSED: dict[str, tuple[Callable[[Hostile], object], str]] = {
    "fifo in place of a file": (lambda h: _fifo(h.site.repo / "a.py"), "`a.py` is neither a file nor"),
    "no repository": (_no_repository, "no commit to take"),
    "HEAD as a link": (_linked_head, "no commit to take"),
    "HEAD of a missing branch": (lambda h: h.head("ref: refs/heads/no\n"), "no commit to take"),
    "gitlinks": (
        lambda h: _checked_out(h, *(f"160000 commit {h.site.base}\tsub{number}" for number in range(101))),
        "is a repository of its own",
    ),
    "link up": (lambda h: _link(h, "../../x"), "`src/link` is a link that leads out"),
    "link to root": (lambda h: _link(h, "/etc/passwd"), "`src/link` is a link that leads out"),
    "link through a name": (lambda h: _link(h, "x/../../../y"), "`src/link` is a link that leads out"),
    "link into .git": (lambda h: _link(h, "../.GIT/config"), "`src/link` is a link that leads out"),
    "letter case": (_letter_case, "`A` and `a`"),
    "control character": (lambda h: _file(h, b"a\x1b[31m"), "name that not every system"),
    "direction override": (lambda h: _file(h, "a\u202etxt.exe".encode()), "name that not every system"),
    "not UTF-8": (lambda h: _file(h, b"\xff"), "name that not every system"),
    "reserved name": (
        lambda h: _tree(h, f"100644 blob {_blob(h, '1')}\t.GiT"),
        r"HEAD has too many files, or they cannot be listed.*invalid path '\.GiT'",
    ),
    "large file": (lambda h: (h.site.repo / "big").write_text("x" * 3_000_000), "`big` is larger than 2 MiB"),
}


# Names and targets of all kinds are tested without a container, in test_checks.py.
ORDINARY_REFUSED = {
    "fifo in place of a file", "no repository", "gitlinks", "link into .git", "not UTF-8", "reserved name",
}  # fmt: skip


@pytest.mark.parametrize("what", mostly_long(REFUSED, ORDINARY_REFUSED))
def test_forbidden_content_is_refused_with_path_and_reason(hostile: Hostile, what: str) -> None:
    prepare, reason = REFUSED[what]
    prepare(hostile)

    with pytest.raises(ExportRefused, match=reason):
        hostile.site.take(rules=Rules(blob_bytes=2 << 20))

    assert not hostile.canary.exists()
    assert not list((hostile.site.quarantine / "objects" / "pack").iterdir())


IN_GIT = [
    "HEAD",
    "config",
    "index",
    "info/exclude",
    "refs/heads/main",
    "packed-refs",
    "objects/pack/x.idx",
    "x",
]
ORDINARY_IN_GIT = [(False, "HEAD"), (True, "objects/pack/x.idx")]  # one search finds all of them


@pytest.mark.parametrize(
    ("linked", "name"),
    [
        pytest.param(linked, name, marks=[] if (linked, name) in ORDINARY_IN_GIT else [pytest.mark.long])
        for linked in (False, True)
        for name in IN_GIT
    ],
)
def test_a_pipe_in_place_of_a_git_file_is_refused_at_once(hostile: Hostile, name: str, linked: bool) -> None:  # noqa: FBT001
    path = hostile.site.repo / ".git" / name
    path.unlink(missing_ok=True)
    if linked:
        os.mkfifo(hostile.site.repo / "pipe")
        path.symlink_to("/workspace/pipe")  # its path in the container
    else:
        os.mkfifo(path)

    with pytest.raises(ExportRefused, match=rf"^`\.git/{name}` is neither a file nor a folder nor a link"):
        hostile.site.take(rules=Rules(seconds=20))

    assert not hostile.canary.exists()


IN_WORKTREE = [".gitignore", "src/.gitattributes", "lib/.git/HEAD", ".gitmodules", "named-by-a-gitfile/HEAD"]


@pytest.mark.parametrize("name", mostly_long(IN_WORKTREE, ["src/.gitattributes"]))
def test_a_pipe_that_git_would_read_in_the_worktree_is_refused_at_once(hostile: Hostile, name: str) -> None:
    path = hostile.site.repo / name
    path.parent.mkdir(parents=True, exist_ok=True)
    os.mkfifo(path)

    with pytest.raises(ExportRefused, match=rf"^`{name}` is neither a file nor a folder nor a link"):
        hostile.site.take(rules=Rules(seconds=20))


@pytest.mark.parametrize("seconds", [1, pytest.param(20, marks=pytest.mark.long)])
def test_a_pipe_in_a_linked_folder_of_refs_blocks_only_one_git_call(
    hostile: Hostile, seconds: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _SCRIPT.count("(seconds=20 && git rev-parse ") == 1
    monkeypatch.setattr(
        workspace_export, "_SCRIPT", _SCRIPT.replace("(seconds=20 &&", f"(seconds={seconds} &&")
    )
    repo = hostile.site.repo
    (repo / "old-refs" / "heads").mkdir(parents=True)
    os.mkfifo(repo / "old-refs" / "heads" / "main")
    (repo / ".git/refs").rename(hostile.site.root / "refs")
    (repo / ".git/refs").symlink_to("/workspace/old-refs")

    with pytest.raises(ExportRefused, match=f"no commit to take.*took longer than {seconds} seconds"):
        hostile.site.take(rules=Rules(seconds=100))


FORGED = """#!/bin/bash
export GIT_DIR=/workspace/.git
printf '%s\\n%s\\n0000000000\\n0000000000\\n0000000000\\n' "$TAG" "$TAG"
echo "$TAG" | git pack-objects --revs --stdout -q
"""


def test_a_stream_whose_head_is_not_a_commit_is_refused(hostile: Hostile) -> None:
    """The host does not trust the output of a container: this one has another shell."""
    site = hostile.site
    site.git("tag", "-a", "-m", "No commit", "odd")
    instructions = f"ENV TAG={site.git('rev-parse', 'odd')}\nCOPY sh /usr/local/bin/sh"
    with image_with(site.image, instructions, {"sh": FORGED}) as forging:  # noqa: SIM117
        with pytest.raises(ExportRefused, match="objects other than HEAD"):
            export_work(site.engine, forging, site.plan())

    assert not list((site.quarantine / "objects" / "pack").iterdir())


def test_a_small_pack_that_unpacks_to_too_much_is_refused(hostile: Hostile) -> None:
    (hostile.site.repo / "zeros").write_bytes(bytes(30 << 20))

    with pytest.raises(ExportRefused, match="larger than 20 MiB"):
        hostile.site.take(rules=Rules(total_bytes=20 << 20))


@pytest.mark.parametrize(
    ("each", "limit"),
    [(20, 300), pytest.param(1000, Rules().files, marks=pytest.mark.long, id="a million")],
)
def test_a_million_paths_are_refused_with_the_limit(hostile: Hostile, each: int, limit: int) -> None:
    site, line = hostile.site, f"100644 blob {_blob(hostile, 'x')}\tf"
    files = site.git("mktree", stdin="".join(f"{line}{number:04}\n" for number in range(each)))
    folders = "".join(f"040000 tree {files}\td{number:04}\n" for number in range(each))
    made = site.git("commit-tree", "-p", "HEAD", "-m", "many", site.git("mktree", stdin=folders))
    site.git("update-ref", "HEAD", made)

    with pytest.raises(
        ExportRefused, match=rf"^More than {limit:,} files are changed\. Remove generated files"
    ):
        site.take(succeeded=False, rules=Rules(files=limit))


@pytest.mark.long  # test_deep_paths.py has such a tree, and a limit on memory
def test_a_tree_that_expands_to_a_million_million_files_is_refused(hostile: Hostile) -> None:
    site = hostile.site
    line = f"100644 blob {_blob(hostile, 'x')}\tf"
    for _ in range(12):
        tree = site.git("mktree", stdin=f"{line}\n")
        line = "\n".join(f"040000 tree {tree}\td{number}" for number in range(10))
    made = site.git("commit-tree", "-p", "HEAD", "-m", "bomb", site.git("mktree", stdin=f"{line}\n"))
    site.git("update-ref", "HEAD", made)

    with pytest.raises(ExportRefused, match=r"^More than 20,000 files are changed, most of them in `d0`"):
        site.take(rules=Rules(seconds=60))
