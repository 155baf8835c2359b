# ruff: noqa: E501, FBT001 - tables are easier to read with one line for each script; pytest passes flags by name
"""Only edited files are exported, whatever the attributes of the repository convert.

Because of attributes git may store other bytes than those on disk, and treat an edited file as unchanged.
Each case was once a lost edit, or a rewritten file that the agent had not edited.
"""

import pytest

from bot.domain.errors import ExportRefused
from tests.sandbox.export.edited_clone import (
    CRLF,
    LF,
    MIXED,
    MOSTLY_FIRST,
    changed,
    content_at,
    differing,
    shell,
    stored,
)
from tests.sandbox.export_source import Site
from tests.sandbox.long_cases import mostly_long

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


def test_text_that_its_encoding_cannot_decode_is_refused_with_its_path(site: Site) -> None:
    stored(site, {".gitattributes": b"*.u16 working-tree-encoding=UTF-16\n"})
    (site.repo / "b.u16").write_bytes(b"\xff")

    with pytest.raises(ExportRefused, match=r"could not be read.*'b.u16'"):
        site.take()
