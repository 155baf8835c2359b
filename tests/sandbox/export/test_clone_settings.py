# ruff: noqa: E501, FBT001 - tables are easier to read with one line for each script; pytest passes flags by name
"""Only edited files are exported, and with their bytes on disk, whatever the agent set in its clone.

Because of settings git may store other bytes than those on disk, and treat an edited file as unchanged.
Each case was once a lost edit, or a rewritten file that the agent had not edited.
"""

import pytest

from tests.sandbox.export.edited_clone import (
    CRLF,
    LF,
    MIXED,
    MOSTLY_FIRST,
    changed,
    content,
    content_at,
    differing,
    shell,
    stored,
)
from tests.sandbox.export_source import Site
from tests.sandbox.long_cases import mostly_long

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


def test_a_changed_mode_is_exported_even_if_git_ignores_modes(site: Site) -> None:
    shell(site, "git config core.fileMode false; chmod +x README.md")

    assert changed(site) == ["README.md"]
