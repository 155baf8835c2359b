"""Options are read from the words after a command word."""

import time
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.commands.options import split_options, unread_options
from bot.domain.command import Options
from bot.domain.errors import NotUnderstood

ALL = frozenset({"agent", "base", "here", "timeout", "pr", "task"})


def test_options_follow_the_command_word() -> None:
    options, text = split_options("--agent=codex --timeout 90m --pr ready  tidy --base main\nall", ALL)

    assert options == Options(agent="codex", timeout=5400, pr="ready")
    assert text == "tidy --base main\nall"


@pytest.mark.parametrize(
    ("rest", "options", "text"),
    [
        ("", Options(), ""),
        ("tidy", Options(), "tidy"),
        ("-- --agent is missing", Options(), "--agent is missing"),
        ('--base "release/1.0" tidy', Options(base="release/1.0"), "tidy"),
        ("--base='release/1.0'", Options(base="release/1.0"), ""),
        ("--task abcd2345", Options(task="abcd2345"), ""),
        ("--timeout 45s x", Options(timeout=45), "x"),
        ("--timeout 2H x", Options(timeout=7200), "x"),
        ("--timeout 1d x", Options(timeout=86_400), "x"),
        ("--agent a --agent b x", Options(agent="b"), "x"),
        ("\n--agent codex", Options(agent="codex"), ""),
        ("--agent codex\r\n\r\n--base main\ntidy", Options(agent="codex", base="main"), "tidy"),
        ("---base main x", Options(base="main"), "x"),
        ("- tidy", Options(), "- tidy"),
        ("-1 is wrong", Options(), "-1 is wrong"),
        ("\n-fix one\n-fix two", Options(), "-fix one\n-fix two"),
        ("\n---\ntidy", Options(), "---\ntidy"),
        ("\n\n--\nAnn", Options(), "--\nAnn"),
        ("\n\n\u2014Ann", Options(), "\u2014Ann"),
        ("--here", Options(here=True), ""),
        ("--here tidy", Options(here=True), "tidy"),
        ("--here --agent codex tidy", Options(here=True, agent="codex"), "tidy"),
    ],
)
def test_options_end_at_the_first_word_of_the_text(rest: str, options: Options, text: str) -> None:
    assert split_options(rest, ALL) == (options, text)


@pytest.mark.parametrize(
    ("rest", "expected"),
    [
        ("--agnet codex tidy", "Did you mean `--agent`"),
        ("--force tidy", "The command takes `--agent`, `--base`"),
        ("--`@everyone` tidy", "That option is not an option"),
        ("--verbose is missing", "Write `--` before a text"),
        ("--agent", "needs a value"),
        ("--agent --base main", "needs a value"),
        ("--agent\ncodex", "needs a value"),
        ('--agent "codex tidy', "needs a value"),
        ("--timeout 30 tidy", "with a unit"),
        ("--timeout 0m tidy", "with a unit"),
        ("--timeout \u0663m tidy", "with a unit"),
        ("--pr maybe tidy", "one of `draft`"),
        ("--here=no tidy", "takes no value"),
        ("--here=", "needs a value"),
        ("--base ../main tidy", "name of a branch"),
        ("--base -f tidy", "name of a branch"),
        ("--base a..b tidy", "name of a branch"),
        ('--base "a b" tidy', "name of a branch"),
        ("-base main tidy", "`-base` is not an option of this command. Did you mean `--base`"),
        ("-b main tidy", "`-b` is not an option"),
        ("\n-base main", "Did you mean `--base`"),
        ("\n--basee main", "Did you mean `--base`"),
        ("\u2014basee main", "Did you mean `--base`"),
        ("\u2014 base main", "Write it without a space, `--base`"),
        ("\u2013 base=main", "Write it without a space, `--base`"),
        ("--agent \u2014base main", "needs a value"),
        ("--base \u201cmain tidy", "needs a value"),
        ("--base \u201ca b\u201d tidy", "name of a branch"),
        ("--base a`b tidy", "name of a branch"),
        ("--base x.lock tidy", "name of a branch"),
    ],
)
def test_bad_options_are_refused_with_a_suggestion(rest: str, expected: str) -> None:
    with pytest.raises(NotUnderstood, match=expected):
        split_options(rest, ALL)


def test_an_option_of_another_command_is_refused() -> None:
    with pytest.raises(NotUnderstood, match="The command takes `--task`"):
        split_options("--base main", {"task"})
    with pytest.raises(NotUnderstood, match="takes no options"):
        split_options("--base main", ())


DASHES = [
    "\u2014",
    "\u2013",
    "\u2014\u2014",
    "\u2013\u2013",
    "\u2212\u2212",
    "\u2011\u2011",
    "\u2015",
    "\uff0d\uff0d",
    "-\u2014",
    "\u2e3a",
]
QUOTES = [
    '""',
    "\u2018\u2019",
    "\u201c\u201d",
    "\u201e\u201c",
    "\u201d\u201d",
    "\u00ab\u00bb",
    "\u00bb\u00ab",
    "\u201a\u2018",
]
BEFORE = ["", "\u00a0", "\ufeff", "\u200f ", "\u2060", "\u202f"]


@given(
    dashes=st.sampled_from(DASHES),
    quotes=st.sampled_from(["  ", *QUOTES]),
    separator=st.sampled_from([" ", "=", "\u00a0"]),
    before=st.sampled_from(BEFORE),
    text=st.sampled_from(["", "tidy it", "don\u2019t \u2014 \u201cstop\u201d"]),
)
def test_an_option_in_the_typography_of_a_phone_is_read_as_it_was_written(
    dashes: str, quotes: str, separator: str, before: str, text: str
) -> None:
    value = f"{quotes[0]}dev{quotes[1]}".strip()

    parsed = split_options(f"{before}{dashes}base{separator}{value} {text}", ALL)

    assert parsed == (Options(base="dev"), text)


@given(
    rest=st.text(alphabet='-\u2014\u2013\u2212\u00a0\ufeff \n"\u201c=abes t', max_size=20),
    dashes=st.sampled_from(["--", *DASHES]),
)
def test_an_option_before_the_text_is_read_or_refused(rest: str, dashes: str) -> None:
    try:
        options, _ = split_options(f"{dashes}base{rest}", ALL)
    except NotUnderstood:
        return
    assert options.base


@pytest.mark.parametrize(
    ("rest", "names"),
    [
        ("tidy --base dev", ["base"]),
        ("tidy \u2014base dev", ["base"]),
        ("tidy -base dev", ["base"]),
        ("--agent codex tidy --base=dev --agent x --base y", ["base", "agent"]),
        ("tidy\n--task x", ["task"]),  # an option of another command
        ("\ntidy\r\n\u2013base dev", ["base"]),
        ("`--base dev` tidy", ["base"]),
        ("\u201c\u2014base dev\u201d tidy", ["base"]),
        ("tidy", []),
        ("tidy --force --verbose", []),
        ("tidy --base-url", []),
        ("tidy a--base", []),
        ("tidy\nthe flag --base", []),
        ("-- tidy --base dev", []),
        ("\u2014 tidy --base dev", []),
    ],
)
def test_an_option_within_the_text_is_named_as_unread(rest: str, names: list[str]) -> None:
    assert unread_options(rest, ALL - {"task"}) == names


@pytest.mark.parametrize(
    "rest",
    [
        "--here " * 9000,
        "x" + " " * 65000 + "x",
        "-" * 65000,
        "x" + " -" * 32000,
        "\n" * 65000,
        "x\n--" * 16000,
        "\u2014 " * 32000,
        " `*" * 21000,
        "--base " + "\u201c" * 65000,
    ],
    ids=lambda rest: repr(rest[:6]),
)
def test_the_options_of_any_command_are_read_within_seconds(rest: str) -> None:
    began = time.process_time()

    for read in (split_options, unread_options):
        with suppress(NotUnderstood):
            read(rest, ALL)

    assert time.process_time() - began < 5
