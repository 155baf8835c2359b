"""The checks of an export, on trees that git itself would not make."""

from pathlib import Path

import pytest

from bot.domain.errors import ExportRefused
from bot.git.bare_repository import make_bare
from bot.git.history import read_commit
from bot.git.object_reader import object_reader
from bot.git.run import Objects
from bot.sandbox.export.checks import Check, Rules, large
from bot.sandbox.export.extent import Extent
from tests.sandbox.export_source import git


class Trees:
    """A bare repository with commits made from the input of `git mktree`."""

    def __init__(self, path: Path) -> None:
        make_bare(path)
        self.objects = Objects(path)

    def blob(self, content: str) -> str:
        return git(self.objects.path, "hash-object", "-w", "--stdin", stdin=content)

    def tree(self, *entries: tuple[str, str]) -> str:
        """Write a tree of (name, content): a text, `tree <oid>`, `link <target>` or `gitlink <oid>`."""
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

    def violation(self, commit: str, rules: Rules | None = None) -> str:
        rules = rules or Rules()
        with object_reader(self.objects) as reader:
            made = read_commit(reader, commit)
            check = Check(reader, large(self.objects, rules), rules)
            return check.violation(made.id, made.parents, Extent(rules.files))


@pytest.fixture
def trees(tmp_path: Path) -> Trees:
    return Trees(tmp_path / "x.git")


def test_ordinary_files_and_links_pass(trees: Trees) -> None:
    below = trees.tree(
        ("übung.txt", "1"), ("up", "link ../a"), ("here", "link übung.txt"), ("top", "link ..")
    )
    made = trees.commit(trees.tree(("a", "1"), ("below", f"tree {below}"), (".gitignore", "x"), ("…", "1")))

    assert trees.violation(made) == ""


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
        ".g\u200cit/x",
        ".g\u200eit/x",
    ],
)
def test_a_link_that_may_lead_out_of_the_repository_is_refused(trees: Trees, target: str) -> None:
    assert "leads out" in trees.violation(trees.commit(trees.tree(("odd", f"link {target}"))))


def test_a_link_with_a_too_long_target_is_refused(trees: Trees) -> None:
    assert "leads out" in trees.violation(trees.commit(trees.tree(("odd", "link " + "x" * 5000))))


def test_a_new_gitlink_is_refused_and_a_changed_one_passes(trees: Trees) -> None:
    first = trees.commit(trees.tree(("sub", f"gitlink {'1' * 40}")))
    second = trees.commit(trees.tree(("sub", f"gitlink {'2' * 40}")), first)

    assert "repository of its own" in trees.violation(first)
    assert trees.violation(second) == ""


def test_entries_of_a_parent_are_not_checked_again(trees: Trees) -> None:
    odd = [("odd\x01", "1"), ("out", "link /etc"), ("sub", f"gitlink {'1' * 40}"), ("A", "1"), ("a", "2")]
    first = trees.commit(trees.tree(*odd))
    second = trees.commit(trees.tree(*odd, ("new", "1")), first)

    assert trees.violation(second) == ""


def test_entries_from_the_other_side_of_a_merge_are_not_checked(trees: Trees) -> None:
    ours = trees.commit(trees.tree(("a", "1")))
    theirs = trees.commit(trees.tree(("out", "link /etc")))

    assert trees.violation(trees.commit(trees.tree(("a", "1"), ("out", "link /etc")), ours, theirs)) == ""
    assert trees.violation(trees.commit(trees.tree(("a", "1"), ("out", "link /root")), ours, theirs)) != ""


def test_names_that_differ_only_in_letter_case_or_in_the_encoding_of_an_accent_collide(trees: Trees) -> None:
    base = trees.commit(trees.tree(("Read", "1"), ("é", "1")))

    assert "`Read` and `read`" in trees.violation(
        trees.commit(trees.tree(("Read", "1"), ("read", "2")), base)
    )
    assert "are the same name" in trees.violation(
        trees.commit(trees.tree(("e\u0301", "1"), ("é", "1")), base)
    )
    assert trees.violation(trees.commit(trees.tree(("read", "1")), base)) == ""


def test_folders_collide_at_any_depth(trees: Trees) -> None:
    file = trees.tree(("x", "1"))
    base = trees.commit(trees.tree(("d", f"tree {trees.tree(('Lib', f'tree {file}'))}")))
    both = trees.tree(("Lib", f"tree {file}"), ("lib", f"tree {file}"))

    violation = trees.violation(trees.commit(trees.tree(("d", f"tree {both}")), base))

    assert "`d/Lib` and `d/lib`" in violation


def test_hundreds_of_spellings_of_a_long_name_collide(trees: Trees) -> None:
    spellings = [f"{number:010b}".replace("0", "x").replace("1", "X") + "y" * 240 for number in range(600)]
    blob = trees.blob("1")
    lines = "".join(f"100644 blob {blob}\t{name}\n" for name in spellings)
    base = trees.commit(trees.tree(("a", "1")))

    violation = trees.violation(trees.commit(git(trees.objects.path, "mktree", stdin=lines), base))

    assert "are the same name" in violation


def test_names_collide_in_folders_that_differ_only_in_letter_case(trees: Trees) -> None:
    def lib(**files: str) -> str:
        upper = trees.tree(("a", "1"), *((name, "1") for name in files.get("upper", "").split()))
        lower = trees.tree(("b", "1"), *((name, "1") for name in files.get("lower", "").split()))
        return trees.tree(("Lib", f"tree {upper}"), ("lib", f"tree {lower}"))

    base = trees.commit(lib())

    assert trees.violation(trees.commit(lib(upper="x"), base)) == ""
    assert "`Lib/x` and `lib/X`" in trees.violation(trees.commit(lib(upper="x", lower="X"), base))


def nested(trees: Trees, folders: int, *entries: tuple[str, str]) -> str:
    """Write a tree with files at this depth; one process of git writes all its folders."""
    path = trees.objects.path
    files = "".join(
        f"M 100644 inline t/{'d/' * folders}{name}\ndata {len(text)}\n{text}\n" for name, text in entries
    )
    header = "commit refs/heads/nested\ncommitter A <a@example.org> 1700000000 +0000\ndata 0\ndeleteall\n"
    git(path, "fast-import", "--quiet", "--force", stdin=f"{header}{files}")
    tree = git(path, "rev-parse", "refs/heads/nested:t")
    git(path, "update-ref", "-d", "refs/heads/nested")
    return tree


def test_the_depth_of_a_new_folder_is_limited(trees: Trees) -> None:
    fine, deep = (trees.commit(nested(trees, number, ("x", "1"))) for number in (100, 101))

    assert trees.violation(fine) == ""
    violation = trees.violation(deep)
    assert violation.startswith("`d/d/d/d")
    assert violation.endswith("…` lies more than 100 folders deep. Move it up, or remove it.")


def test_existing_deep_paths_can_be_changed_and_removed(trees: Trees) -> None:
    base = trees.commit(nested(trees, 120, ("x", "1")))

    assert trees.violation(trees.commit(nested(trees, 120, ("x", "2"), ("y", "1")), base)) == ""
    assert trees.violation(trees.commit(trees.tree(("a", "1")), base)) == ""
    assert "100 folders deep" in trees.violation(trees.commit(nested(trees, 121, ("x", "2")), base))


def test_depth_is_checked_before_deeper_folders_are_read(trees: Trees) -> None:
    missing = trees.tree(("d", f"tree {'1' * 40}"))
    tree = missing
    for _ in range(101):
        tree = trees.tree(("d", f"tree {tree}"))

    assert "100 folders deep" in trees.violation(trees.commit(tree))


@pytest.mark.parametrize(
    "name",
    [
        "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645.md",
        "\u2764\ufe0f\u200d\U0001f525",
        "\u0915\u094d\u200d\u0937",
    ],
)
def test_joiners_and_selectors_belong_to_names(trees: Trees, name: str) -> None:
    below = trees.tree((name, "1"))
    assert trees.violation(trees.commit(trees.tree((name, f"tree {below}")))) == ""


@pytest.mark.parametrize(
    "name",
    [
        "\u200d",
        "\u200b",
        "a\u200bb",
        "\u200dx",
        "x\ufe0f\ufe0f",
        "a\u202eb",
        "\u2066a",
        "\u200f",
        "\u3164",
        ".g\u200cit",
    ],
)
def test_names_with_other_invisible_characters_are_refused(trees: Trees, name: str) -> None:
    below = trees.tree((name, "1"))
    assert "not every system can store" in trees.violation(trees.commit(trees.tree(("a", f"tree {below}"))))


def test_names_that_differ_only_in_joiners_and_selectors_collide(trees: Trees) -> None:
    names = ["\u2764\ufe0f", "\u2764"]
    made = trees.commit(trees.tree(*((name, "1") for name in names)))

    assert trees.violation(made).startswith(f"`{names[1]}` and `{names[0]}` look the same, or")


@pytest.mark.parametrize("name", ["x" * 256, "\u0301\u0323" * 200, "a\u0301" * 86])
def test_a_name_that_no_file_system_accepts_is_refused(trees: Trees, name: str) -> None:
    assert "not every system can store" in trees.violation(trees.commit(trees.tree((name, "1"))))


def test_an_existing_name_of_a_megabyte_is_not_normalized(trees: Trees) -> None:
    """Normalizing its accents takes time quadratic in its length."""
    odd = ("\u0301\u0323" * 300_000, "1")
    base = trees.commit(trees.tree(odd))

    assert trees.violation(trees.commit(trees.tree(odd, ("new", "1")), base)) == ""


def test_the_folder_with_most_of_too_many_changes_is_named(trees: Trees) -> None:
    module = trees.tree(*((f"f{number}", "1") for number in range(30)))
    modules = trees.tree(*((f"m{number}", f"tree {module}") for number in range(30)))
    app = trees.tree(("node_modules", f"tree {modules}"), ("a.js", "1"))
    base = trees.commit(trees.tree(("a", "1")))
    made = trees.commit(trees.tree(("app", f"tree {app}"), ("src", f"tree {module}"), ("z", "1")), base)

    assert trees.violation(made, Rules(files=100)) == (
        "More than 100 files are changed, most of them below `app/node_modules/`. "
        "Remove them, or add that folder to `.gitignore`, and commit."
    )
    assert trees.violation(trees.commit(trees.tree(("z", "1")), made), Rules(files=100)) == (
        "More than 100 files are changed, most of them below `app/node_modules/`. "
        "Split the removal into several commits."
    )


def test_no_folder_is_named_if_no_folder_has_most_changes(trees: Trees) -> None:
    part = trees.tree(*((f"f{number}", "1") for number in range(30)))
    made = trees.commit(trees.tree(*((f"d{number}", f"tree {part}") for number in range(5))))

    assert trees.violation(made, Rules(files=40)) == (
        "More than 40 files are changed. Remove generated files, or add them to `.gitignore`, and commit."
    )


def test_the_number_of_empty_folders_and_the_length_of_all_paths_are_limited(trees: Trees) -> None:
    empty = trees.tree()
    for _ in range(3):
        empty = trees.tree(*((f"d{number}", f"tree {empty}") for number in range(10)))
    long = trees.tree(*((f"{number}" + "x" * 250, "1") for number in range(9)))
    for _ in range(10):
        long = trees.tree(("y" * 250, f"tree {long}"))

    assert trees.violation(trees.commit(empty), Rules(files=100)).startswith(
        "More than 500 folders are changed"
    )
    assert trees.violation(trees.commit(long), Rules(files=20)).startswith(
        "The paths of the changed files are longer than 8,000 bytes in all, most of them below `yyy"
    )


def test_a_commit_that_is_too_large_to_load_is_refused_before_it_is_read(trees: Trees) -> None:
    git(trees.objects.path, "commit-tree", trees.tree(), stdin="m" * (65 << 20))

    with pytest.raises(ExportRefused, match="message or a folder's list of files is larger than 64 MiB"):
        large(trees.objects, Rules())


def test_violations_of_the_limits_on_files_and_sizes_are_reported_in_sentences(trees: Trees) -> None:
    made = trees.commit(trees.tree(*((f"f{number}", "x" * 3_000_000) for number in range(3))))

    assert trees.violation(made, Rules(files=2)).startswith("More than 2 files")
    assert trees.violation(made, Rules(blob_bytes=2 << 20)).startswith("`f0` is larger than 2 MiB")
    with pytest.raises(ExportRefused, match="larger than 1 MiB"):
        large(trees.objects, Rules(total_bytes=1 << 20))
