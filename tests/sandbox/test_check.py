"""The checks an export must pass, on trees as git itself would not make them."""

from pathlib import Path

import pytest

from bot.errors import ExportRefused
from bot.sandbox.bare import make_bare
from bot.sandbox.check import Check, Rules, large
from bot.sandbox.git import Objects
from bot.sandbox.history import read
from tests.sandbox.clone import git


class Trees:
    """A bare repository in which commits are made of what `git mktree` is told."""

    def __init__(self, path: Path) -> None:
        make_bare(path)
        self.objects = Objects(path)

    def blob(self, content: str) -> str:
        return git(self.objects.path, "hash-object", "-w", "--stdin", stdin=content)

    def tree(self, *entries: tuple[str, str]) -> str:
        """Entries: name -> content of a file, `tree <oid>`, `link <target>` or `gitlink <oid>`."""
        lines = []
        for name, content in entries:
            word, _, rest = content.partition(" ")
            mode, kind, oid = {
                "tree": ("040000", "tree", rest),
                "gitlink": ("160000", "commit", rest),
                "link": ("120000", "blob", self.blob(rest)),
            }.get(word) or ("100644", "blob", self.blob(content))
            lines.append(f"{mode} {kind} {oid}\t{name}")
        return git(self.objects.path, "mktree", "--missing", stdin="\n".join([*lines, ""]))

    def commit(self, tree: str, *parents: str) -> str:
        args = [word for parent in parents for word in ("-p", parent)]
        return git(self.objects.path, "commit-tree", tree, *args, "-m", "Work")

    def offence(self, commit: str, rules: Rules | None = None) -> str:
        rules = rules or Rules()
        [made] = read(self.objects, [commit], [], 1)
        return Check(self.objects, large(self.objects, rules), rules).offence(
            made.id, made.parents, made.entries
        )


@pytest.fixture
def trees(tmp_path: Path) -> Trees:
    return Trees(tmp_path / "x.git")


def test_ordinary_files_and_links_pass(trees: Trees) -> None:
    below = trees.tree(
        ("übung.txt", "1"), ("up", "link ../a"), ("here", "link übung.txt"), ("top", "link ..")
    )
    made = trees.commit(trees.tree(("a", "1"), ("below", f"tree {below}"), (".gitignore", "x"), ("…", "1")))

    assert trees.offence(made) == ""


@pytest.mark.parametrize(
    "target",
    [
        "/etc/passwd",
        "../x",
        "a/../../x",
        "below/..",
        ".git/config",
        "x/.GIT/y",
        "git~1/hooks",
        "..",
        ".git. /x",
    ],
)
def test_a_link_that_may_lead_out_does_not_pass(trees: Trees, target: str) -> None:
    assert "leads out" in trees.offence(trees.commit(trees.tree(("odd", f"link {target}"))))


def test_a_link_to_a_target_too_long_for_any_system_does_not_pass(trees: Trees) -> None:
    assert "leads out" in trees.offence(trees.commit(trees.tree(("odd", "link " + "x" * 5000))))


def test_a_new_gitlink_does_not_pass_and_a_moved_one_does(trees: Trees) -> None:
    first = trees.commit(trees.tree(("sub", f"gitlink {'1' * 40}")))
    second = trees.commit(trees.tree(("sub", f"gitlink {'2' * 40}")), first)

    assert "repository of its own" in trees.offence(first)
    assert trees.offence(second) == ""


def test_what_a_parent_already_held_is_not_judged_again(trees: Trees) -> None:
    odd = [("odd\x01", "1"), ("out", "link /etc"), ("sub", f"gitlink {'1' * 40}"), ("A", "1"), ("a", "2")]
    first = trees.commit(trees.tree(*odd))
    second = trees.commit(trees.tree(*odd, ("new", "1")), first)

    assert trees.offence(second) == ""


def test_what_came_from_the_other_side_of_a_merge_is_not_judged(trees: Trees) -> None:
    ours = trees.commit(trees.tree(("a", "1")))
    theirs = trees.commit(trees.tree(("out", "link /etc")))

    assert trees.offence(trees.commit(trees.tree(("a", "1"), ("out", "link /etc")), ours, theirs)) == ""
    assert trees.offence(trees.commit(trees.tree(("a", "1"), ("out", "link /root")), ours, theirs)) != ""


def test_names_that_differ_only_in_letter_case_or_in_spelling_of_an_accent_collide(trees: Trees) -> None:
    base = trees.commit(trees.tree(("Read", "1"), ("é", "1")))

    assert "`Read` and `read`" in trees.offence(trees.commit(trees.tree(("Read", "1"), ("read", "2")), base))
    assert "one name" in trees.offence(trees.commit(trees.tree(("e\u0301", "1"), ("é", "1")), base))
    assert trees.offence(trees.commit(trees.tree(("read", "1")), base)) == ""


def test_folders_collide_too_at_any_depth(trees: Trees) -> None:
    file = trees.tree(("x", "1"))
    base = trees.commit(trees.tree(("d", f"tree {trees.tree(('Lib', f'tree {file}'))}")))
    both = trees.tree(("Lib", f"tree {file}"), ("lib", f"tree {file}"))

    words = trees.offence(trees.commit(trees.tree(("d", f"tree {both}")), base))

    assert "`d/Lib` and `d/lib`" in words


def test_more_spellings_of_a_long_name_than_one_command_line_holds_collide_too(trees: Trees) -> None:
    spellings = [f"{number:010b}".replace("0", "x").replace("1", "X") + "y" * 4000 for number in range(600)]
    blob = trees.blob("1")
    lines = "".join(f"100644 blob {blob}\t{name}\n" for name in spellings)
    base = trees.commit(trees.tree(("a", "1")))

    words = trees.offence(trees.commit(git(trees.objects.path, "mktree", stdin=lines), base))

    assert "are one name" in words


def test_limits_on_files_and_sizes_are_said_in_words(trees: Trees) -> None:
    made = trees.commit(trees.tree(*((f"f{number}", "x" * 3_000_000) for number in range(3))))

    assert trees.offence(made, Rules(files=2)).startswith("More than 2 files")
    assert trees.offence(made, Rules(blob_bytes=2 << 20)).startswith("`f0` is larger than 2 MiB")
    with pytest.raises(ExportRefused, match="larger than 1 MiB"):
        large(trees.objects, Rules(total_bytes=1 << 20))
