"""An export that cannot read a path, an object or the index is refused, and names it."""

import subprocess

import pytest

from bot.domain.errors import ExportRefused
from bot.sandbox.engine.containers import Mount
from tests.sandbox.export.edited_clone import changed, shell
from tests.sandbox.export_source import Site
from tests.sandbox.long_cases import mostly_long

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
    "an unreadable file", "a folder that cannot be entered", "a reserved name as a short name of Windows",
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
