"""The patch of a run, made from real repositories."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from bot.domain.errors import GitFailed
from bot.git.bare_repository import make_bare
from bot.git.diff import patch
from tests.sandbox.export_source import commit, git

RUN = "t1-1"


@dataclass(frozen=True)
class Places:
    """A clone in place of the export, a quarantine, and a mirror that has the base."""

    clone: Path
    quarantine: Path
    mirror: Path
    base: str

    def exported(self, kind: str = "checked") -> str:
        """Record the clone's HEAD as the result of the export."""
        head = git(self.clone, "rev-parse", "HEAD")
        git(self.clone, "push", "-q", str(self.quarantine), f"HEAD:refs/{kind}/{RUN}")
        return head

    def patch(self) -> str:
        made = patch(self.quarantine, self.mirror, run_id=RUN, base=self.base)
        assert made is not None
        return made.decode()


@pytest.fixture
def places(tmp_path: Path) -> Places:
    clone, quarantine, mirror = tmp_path / "clone", tmp_path / "t1.git", tmp_path / "mirror.git"
    clone.mkdir()
    git(clone, "init", "-q")
    base = commit(clone, {"README.md": "hello\n", "src/main.py": "one\ntwo\nthree\nfour\n"})
    make_bare(quarantine)
    make_bare(mirror)
    git(clone, "push", "-q", str(mirror), "HEAD:refs/heads/main")
    return Places(clone, quarantine, mirror, base)


def test_a_patch_counts_files_and_lines_and_shows_them(places: Places) -> None:
    commit(places.clone, {"README.md": "hello\nworld\n", "new.txt": "1\n"})
    commit(places.clone, {"README.md": "world\n"})
    places.exported()

    count, _, text = places.patch().partition("\n\n")

    assert count == " 2 files changed, 2 insertions(+), 1 deletion(-)"
    assert text.startswith("diff --git a/README.md b/README.md\nindex ")
    assert "\n-hello\n+world\n" in text
    assert "new file mode 100644" in text


def test_a_patch_applies_to_the_base_of_the_task(places: Places) -> None:
    commit(places.clone, {"README.md": "bye\n", "src/deep/new.py": "x\n"})
    head = places.exported()
    text = places.patch()
    git(places.clone, "checkout", "-q", places.base)

    git(places.clone, "apply", "--index", "-", stdin=text)

    assert git(places.clone, "write-tree") == git(places.clone, "rev-parse", f"{head}^{{tree}}")


def test_exported_uncommitted_work_is_in_the_patch(places: Places) -> None:
    commit(places.clone, {"committed.txt": "1\n"})
    places.exported("checked")
    commit(places.clone, {"uncommitted.txt": "2\n"})
    places.exported("wip")

    text = places.patch()

    assert "b/committed.txt" in text
    assert "b/uncommitted.txt" in text


def test_the_patch_is_empty_if_nothing_changed(places: Places) -> None:
    commit(places.clone, {"README.md": "bye\n"})
    commit(places.clone, {"README.md": "hello\n"})
    places.exported()

    assert places.patch() == ""


def test_a_run_that_was_not_exported_has_no_patch(places: Places) -> None:
    assert patch(places.quarantine, places.mirror, run_id=RUN, base=places.base) is None
    assert patch(places.quarantine / "nowhere", places.mirror, run_id=RUN, base=places.base) is None


def test_a_binary_file_is_named_and_not_shown(places: Places) -> None:
    (places.clone / "image.png").write_bytes(bytes(range(256)) * 100)
    commit(places.clone, {})
    places.exported()

    text = places.patch()

    assert text.endswith("Binary files /dev/null and b/image.png differ\n")
    assert text.startswith(" 1 file changed, 0 insertions(+), 0 deletions(-)\n")


def test_a_moved_file_is_not_shown_twice(places: Places) -> None:
    git(places.clone, "mv", "src/main.py", "src/app.py")
    commit(places.clone, {})
    places.exported()

    text = places.patch()

    assert "rename from src/main.py\nrename to src/app.py\n" in text
    assert "+one" not in text


@pytest.mark.parametrize(
    "name", ["a\nb", 'quo"te', "-p", "--output=x", "\u202egnp.exe", "tab\tbed", "`x`", "é"]
)
def test_a_hostile_file_name_is_quoted_on_one_line(places: Places, name: str) -> None:
    commit(places.clone, {name: "1\n"})
    places.exported()

    text = places.patch()

    assert text.isascii()
    assert len(text.splitlines()) == 9
    assert [path.name for path in places.quarantine.parent.iterdir() if path.name == "x"] == []


def test_diff_drivers_and_attributes_of_the_work_are_ignored(places: Places, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    commit(places.clone, {".gitattributes": "*.txt diff=mine\n*.md -diff\n", "a.txt": "1\n", "b.md": "2\n"})
    git(places.clone, "config", "diff.mine.textconv", f"touch {canary}; cat")
    git(places.clone, "config", "diff.mine.command", f"touch {canary}")
    places.exported()

    text = places.patch()

    assert not canary.exists()
    assert "+2" in text


def test_a_huge_patch_is_read_up_to_a_limit(places: Places) -> None:
    commit(places.clone, {"long.txt": "a line of words\n" * 2_000_000})
    places.exported()

    text = places.patch()

    assert len(text) == 16 << 20
    assert text.startswith(" 1 file changed, 2000000 insertions(+)\n\ndiff --git")


def test_a_missing_base_is_reported(places: Places) -> None:
    places.exported()

    with pytest.raises(GitFailed, match="git diff-tree failed"):
        patch(places.quarantine, places.mirror, run_id=RUN, base="0" * 40)


def test_files_that_take_too_much_memory_to_compare_are_only_named(
    places: Places,
) -> None:
    commit(places.clone, {"short.txt": "1\n", "long.txt": "a\n" * 8_000_000})
    git(places.clone, "push", "-q", str(places.mirror), "HEAD:refs/heads/long")
    base = git(places.clone, "rev-parse", "HEAD")
    commit(places.clone, {"short.txt": "2\n", "long.txt": "b\n" + "a\n" * 8_000_000 + "c\n"})
    places.exported()

    text = (patch(places.quarantine, places.mirror, run_id=RUN, base=base) or b"").decode()

    assert text.startswith(" 2 files changed, 1 insertion(+), 1 deletion(-)\n")
    assert "Binary files a/long.txt and b/long.txt differ\n" in text
    assert text.endswith("-1\n+2\n")
