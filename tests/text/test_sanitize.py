"""Text from others is made safe before a person or a forge sees it."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.text.sanitize import for_comment, for_line, shown

TOKEN = "s3cr3t+token/of~the_bot"
GAP = "\u200b"


@given(st.text())
def test_shown_text_never_has_a_control_character(raw: str) -> None:
    assert not re.search(
        r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]", shown(raw)
    )


def test_a_long_line_is_cut_with_a_note() -> None:
    assert len(shown("x" * 100_000 + "\nshort")) < 2_100
    assert shown("x" * 100_000 + "\nshort").endswith("(line cut)\nshort")


def test_a_secret_with_an_invisible_character_in_it_is_redacted() -> None:
    assert TOKEN not in shown(f"{TOKEN[:5]}\u200b{TOKEN[5:]}", [TOKEN])


def plain(text: str) -> str:
    """Return the visible text of a comment of one line."""
    return for_comment(text, 65_536).removeprefix("> ").replace(GAP, "")


@pytest.mark.parametrize(
    ("text", "acted_on"),
    [
        ("thanks @ann and @acme/team", r"@\w"),
        ("\\@ann", r"@\w"),
        ("&#64;ann &commat;ann", r"&#?\w+;"),
        ("see #12, acme/anvil#12, GH-12, GL-12 and !7", r"[#!]\d|G[HL]-\d"),
        ("see [issue:12] and [work_item:acme/anvil/12]", r"\[(issue|work_item):"),
        ("Closes #12. fixes: acme/anvil#3, Resolving GH-4", r"(?i)\b(closes|fixes|resolving)\b"),
        ("https://github.com/acme/anvil/issues/12", r"/issues/"),
        ("![logo](https://evil.example/pixel.png)", r"!\["),
        ("<img src=x> <!-- forgehand:final:t1-1 --> </details>", r"<[a-z/!]"),
    ],
)
def test_the_text_of_a_comment_triggers_no_action_and_is_still_visible(text: str, acted_on: str) -> None:
    comment = for_comment(text, 65_536)

    assert re.search(acted_on, text)
    assert not re.search(acted_on, comment)
    assert plain(text) == text


@pytest.mark.parametrize("text", ["/close", "  /approve", "words\n/run everything", "words\r/label ~x"])
def test_no_line_of_a_comment_is_a_command(text: str) -> None:
    made = for_comment(text, 65_536).replace("\u200b", "Z")

    assert not re.search(r"^\s*/", made, re.MULTILINE)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("Edit bot/__init__.py", "`Edit bot/__init__.py`"),
        ("Bash echo `id`\n| tail", "`` Bash echo `id` | tail ``"),
        ("```", "```` ``` ````"),
        ("x" * 300, f"`{'x' * 200}…`"),
        ("\u200b\n", ""),
    ],
)
def test_an_action_of_an_agent_is_shown_as_code(text: str, line: str) -> None:
    assert for_line(text, 200) == line


def test_every_line_of_a_comment_is_quoted_even_after_an_open_fence() -> None:
    lines = for_comment("```\nopen fence\n\n- list", 65_536).split("\n")

    assert all(line.startswith(">") for line in lines)


def test_ordinary_markdown_is_not_changed() -> None:
    text = "## Done\n\n- **parser**: `parse()` is *shorter*\n- [docs](https://docs.example/a)"

    assert for_comment(text, 65_536) == "> " + text.replace("\n\n", "\n>\n").replace("\n-", "\n> -")


def test_a_comment_that_is_too_long_is_cut_in_the_middle_with_a_note() -> None:
    comment = for_comment("first\n" + "middle\n" * 10_000 + "last", 5_000)

    assert len(comment) <= 5_000
    assert comment.startswith("> first")
    assert comment.endswith("last")
    assert "characters left out" in comment


def test_a_secret_is_not_in_a_comment() -> None:
    assert TOKEN not in for_comment(f"I used {TOKEN}", 1_000, [TOKEN])


@given(st.text(), st.integers(min_value=100, max_value=2_000))
def test_no_text_makes_a_comment_longer_than_its_limit(text: str, limit: int) -> None:
    assert len(for_comment(text, limit)) <= limit
