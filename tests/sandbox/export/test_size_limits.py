# ruff: noqa: E501 - scripts are easier to read with one line for each step
"""An export with too large, too many or too deep files is refused, and names them."""

import pytest

from bot.domain.errors import ExportRefused
from bot.sandbox.export.checks import Rules
from tests.sandbox.export.edited_clone import CRLF, LF, changed, shell, stored
from tests.sandbox.export_source import Site
from tests.sandbox.long_cases import mostly_long

HUGE = ["truncate -s 2G huge", "truncate -s 2G README.md", "mkdir -p a/b; truncate -s 101M a/b/huge"]


@pytest.mark.parametrize("script", mostly_long(HUGE, HUGE[:2]))
def test_a_file_over_the_limit_is_refused_before_it_is_read(site: Site, script: str) -> None:
    shell(site, script)

    with pytest.raises(
        ExportRefused, match=r"^`(huge|README.md|a/b/huge)` is larger than 100 MiB. Remove it"
    ):
        site.take(rules=Rules(seconds=30))


@pytest.mark.long  # test_exported_paths.py has an ignored file of 1 TiB
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


def test_a_pack_that_is_too_large_is_refused(site: Site) -> None:
    site.commit({"a.bin": "".join(str(n * n) for n in range(20_000))})

    with pytest.raises(ExportRefused, match="maximum allowed size"):
        site.take(rules=Rules(pack_bytes=10_000))


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
