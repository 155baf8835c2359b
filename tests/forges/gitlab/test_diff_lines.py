"""The lines of a diff that are shown with a comment."""

from typing import Any

from bot.forges.gitlab import diff_lines

DIFF = """@@ -1,3 +1,4 @@
 one
-two
+2
+2.5
 three
@@ -20,2 +21,2 @@ def f():
 twenty
-old
+new
"""
DIFFS: list[object] = [
    {"new_path": "other.py", "old_path": "other.py", "diff": "@@ -1 +1 @@\n-x\n+y\n"},
    {"new_path": "b.py", "old_path": "a.py", "diff": DIFF},
]


def excerpt_at(**position: Any) -> str:
    found = diff_lines.part({"new_path": "b.py", "old_path": "a.py", **position}, DIFFS)
    if found is None or found.excerpt is None:
        return ""
    return f"{found.excerpt.path}:{found.excerpt.line}\n{found.excerpt.hunk}"


def test_an_added_line_is_shown_with_the_lines_above_it() -> None:
    assert excerpt_at(new_line=3, old_line=None) == "b.py:3\n@@ -1,3 +1,4 @@\n one\n-two\n+2\n+2.5"


def test_a_removed_line_has_its_old_path_and_number() -> None:
    assert excerpt_at(new_line=None, old_line=2) == "a.py:2\n@@ -1,3 +1,4 @@\n one\n-two"


def test_a_line_in_the_second_hunk_is_shown_with_that_hunk_only() -> None:
    said = excerpt_at(new_line=22, old_line=None)

    assert said == "b.py:22\n@@ -20,2 +21,2 @@ def f():\n twenty\n-old\n+new"


def test_a_line_outside_the_diff_has_no_excerpt() -> None:
    assert excerpt_at(new_line=99, old_line=None) == ""
    assert diff_lines.part({"new_path": "gone.py", "new_line": 1}, DIFFS) is None


def test_the_beginning_of_a_long_hunk_is_cut() -> None:
    long = "@@ -0,0 +1,200 @@\n" + "\n".join(f"+{number}" for number in range(1, 201))
    found = diff_lines.part({"new_path": "c", "new_line": 150}, [{"new_path": "c", "diff": long}])

    assert found is not None
    assert found.excerpt is not None
    lines = found.excerpt.hunk.split("\n")
    assert (lines[0], lines[1], lines[-1], len(lines)) == ("@@ -0,0 +1,200 @@", "+111", "+150", 41)
