"""A patch in a comment and on a page, with any content."""

import re

import pytest
from markdown_it import MarkdownIt

from bot.text.patch_view import folded, whole

COUNT = b" 3 files changed, 10 insertions(+), 2 deletions(-)\n\n"
HEAD = b"diff --git a/x b/x\nindex 1..2 100644\n--- a/x\n+++ b/x\n@@ -0,0 +1 @@\n"


def fenced(block: str) -> str:
    """Return the only code block of this Markdown text."""
    [found] = [token for token in MarkdownIt("commonmark").parse(block) if token.type == "fence"]
    assert found.info == "diff"
    return found.content


def test_a_patch_in_a_comment_is_folded_under_its_counts() -> None:
    block = folded(COUNT + HEAD + b"+one\n")

    assert block == (
        f"<details><summary>3 files, +10 -2</summary>\n\n```diff\n{HEAD.decode()}+one\n```\n\n</details>"
    )


@pytest.mark.parametrize(
    ("count", "summary"),
    [
        (" 1 file changed, 1 insertion(+)", "1 file, +1 -0"),
        (" 1 file changed, 1 deletion(-)", "1 file, +0 -1"),
        (" 2 files changed, 0 insertions(+), 0 deletions(-)", "2 files, +0 -0"),
        (" 1200 files changed, 99999 insertions(+), 3 deletions(-)", "1200 files, +99999 -3"),
    ],
)
def test_the_counts_of_a_patch_are_those_of_git(count: str, summary: str) -> None:
    assert folded(f"{count}\n\n".encode() + HEAD).startswith(f"<details><summary>{summary}</summary>")


@pytest.mark.parametrize(
    "line",
    [
        "```",
        "+```\n+````\n ```",
        "+~~~",
        "`" * 3000,
        "+</details></summary>",
        "+one\r```\r/approve",
        "+one\u2028```\u2029/approve\x0b/run\x0c/run\x85/run",
        "-@everyone closes #1 ![x](https://example.org/x)",
    ],
)
def test_no_line_of_a_patch_ends_its_fence_or_begins_with_a_command(line: str) -> None:
    block = folded(COUNT + HEAD + f"{line}\n+last\n".encode())

    content = fenced(block)
    assert content.endswith("\n+last\n")
    assert block.endswith("\n\n</details>")
    assert not re.search(r"^\s*/", block, re.MULTILINE)
    assert not set(block) & set("\r\u2028\u2029\x0b\x0c\x85")


def test_a_long_patch_is_cut_at_its_end_with_the_number_of_omitted_lines() -> None:
    lines = "".join(f"+line {number}\n" for number in range(20_000))

    block = folded(COUNT + HEAD + lines.encode())

    content = fenced(block)
    assert 59_000 < len(block) < 61_000
    assert content.startswith(HEAD.decode() + "+line 0\n")
    shown = content.count("\n+line")
    assert content.endswith(f"\n+line {shown - 1}\n")
    assert f"\n\n{20_000 - shown:,} more lines are left out here.\n\n</details>" in block


def test_a_very_long_line_of_a_patch_is_cut() -> None:
    block = folded(COUNT + HEAD + b"+" + b"x" * 200_000 + b"\n+last\n")

    assert len(block) < 3_000
    assert "(line cut)" in fenced(block)


def test_a_text_like_a_token_is_not_in_a_patch() -> None:
    assert "ghp_" not in folded(COUNT + HEAD + b"+ghp_0123456789abcdefghijABCDEFGHIJ\n")


def test_a_patch_on_a_page_has_whole_lines_and_no_known_secrets() -> None:
    text = whole(COUNT + HEAD + b"+" + b"x" * 5_000 + b"\n+hunter2hunter2\r\n", ["hunter2hunter2"])

    assert text == (COUNT + HEAD).decode() + "+" + "x" * 5_000 + "\n+[redacted]\n"
