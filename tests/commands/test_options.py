"""Options are read from the words after a command word."""

import pytest

from bot.commands.options import split_options
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
        ("\n--agent codex", Options(), "--agent codex"),
        ("--agent codex\n--base main", Options(agent="codex"), "--base main"),
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
