"""Commands are read from lines of ordinary text only."""

import time

import pytest

from bot.commands.parser import RawCommand, read, split_options
from bot.domain.command import Options
from bot.domain.errors import NotUnderstood

KNOWN = ("run", "resume", "cancel", "approve", "status", "help")
ALL = frozenset({"agent", "base", "here", "timeout", "pr", "task"})


def read_command(body: str) -> RawCommand | None:
    return read(body, bot_name="forge-bot", known=KNOWN)


@pytest.mark.parametrize("end", [">- <!--\n>", "> - <pre>\n>"])
def test_no_markup_after_a_command_hides_it(end: str) -> None:
    assert read_command(f"/run tidy\n\n{end}") == RawCommand("run", f"tidy\n\n{end}")


@pytest.mark.parametrize(
    "body",
    [
        "/run tidy",
        "  /run tidy",
        "/Run tidy",
        "/forgehand run tidy",
        "/forgehand /run tidy",
        "@forge-bot run tidy",
        "@Forge-Bot /run tidy",
        "@forge-bot: run tidy",
        "@forge-bot, run tidy",
        "Thanks!\n/run tidy",
        "Thanks!  \n/run tidy",
        "Thanks!\r\n\r\n/run tidy",
        "Thanks!\r/run tidy",
        "# Title\n/run tidy",
        "```\n/cancel\n```\n/run tidy",
        "> /cancel\n\n/run tidy",
        "<!-- use <code> for code -->\n/run tidy",
        "<details>\n\n/run tidy\n\n</details>",
        "/run\ttidy",
        "/run\u00a0tidy",
        "a\x00b\n\n/run tidy",
    ],
)
def test_a_command_is_read_in_each_of_its_forms(body: str) -> None:
    raw = read_command(body)

    assert raw is not None
    assert raw.name == "run"
    assert raw.rest.split("\n")[0].strip() == "tidy"


@pytest.mark.parametrize(
    "body",
    [
        "",
        "please /run tidy",
        "`/run tidy`",
        "``a\n/run tidy``",
        "```\n/run tidy\n```",
        "~~~sh\n/run tidy",
        "    /run tidy",
        "> /run tidy",
        "> quoted\n/run tidy",  # a paragraph's lazy continuation is still part of the quote
        ">" * 500 + " /run tidy",
        "<!-- /run tidy -->",
        "<!--\n/run tidy\n-->",
        "text <!--\n/run tidy\n-->",
        "# /run tidy",
        "/run tidy\n=========",
        "/run tidy\n---",
        "[/run tidy](https://example.org)",
        "[see\n/run tidy](https://example.org)",
        "[see](<\n/run> 'x')",
        "[name]:\n/run 'tidy'",
        "![/run tidy](picture.png)",
        "![see\n/run tidy](picture.png)",
        "- /run tidy",
        "- item\n/run tidy",
        "- item\n\n  /run tidy",
        "1. /run tidy",
        "| a |\n|---|\n| /run tidy |",
        "| a |\n|---|\n/run tidy",
        "**/run tidy**",
        "*see\n/run tidy*",
        "~~see\n/run tidy~~",
        "<div>\n/run tidy\n</div>",
        "<pre>\n\n/run tidy\n\n</pre>",
        "<blockquote>\n\n/run tidy\n\n</blockquote>",
        "see <code>\n/run tidy\n</code>",
        'see <a href="x">\n/run tidy</a>',
        "\\/run tidy",
        "&#47;run tidy",
        "\u200b/run tidy",
        "\u202e/run tidy",
        "\ufeff/run tidy",
        "/r\u200bun tidy",
        "/run\u200b tidy",
        "/running late",
        "/run/lock is full",
        "/run.",
        "//run tidy",
        "/usr/bin/env is there",
        "/shrug",
        "/forgehandle run",
        "@forge-bot's branch is broken",
        "I asked @forge-bot run tidy",
        "@forge-bottle run tidy",
        "@other-bot run tidy",
        "\ue0000\ue000/run tidy",
        "a\n\ue0002\ue000\n`/run tidy`",
    ],
)
def test_text_about_a_command_is_not_a_command(body: str) -> None:
    assert read_command(body) is None


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ("/forgehand rnu tidy", "rnu"),
        ("/forgehand", ""),
        ("@forge-bot", ""),
        ("@forge-bot thanks!", "thanks!"),
        ("well\n@forge-bot please", "please"),
    ],
)
def test_a_line_that_addresses_the_bot_is_read_even_if_its_command_is_unknown(body: str, name: str) -> None:
    raw = read_command(body)

    assert raw is not None
    assert raw.name == name


def test_the_rest_of_the_comment_is_the_unchanged_text_of_the_command() -> None:
    body = "Hello.\n\n/run tidy  the `parser`\r\n\n```py\nx = 1\n```\n> keep *this* @ann \u202e\u200b\t!\n"

    raw = read_command(body)

    assert raw == RawCommand(
        "run", "tidy  the `parser`\r\n\n```py\nx = 1\n```\n> keep *this* @ann \u202e\u200b\t!\n"
    )


def test_only_the_first_command_is_read_and_the_second_is_text() -> None:
    assert read_command("/run one\n/cancel") == RawCommand("run", "one\n/cancel")


def test_a_command_has_priority_over_an_earlier_line_that_addresses_the_bot() -> None:
    assert read_command("@forge-bot please:\n\n/run tidy") == RawCommand("run", "tidy")


@pytest.mark.parametrize(
    "body",
    [
        ">" * 65536,
        "- " * 32768,
        "[" * 65536,
        pytest.param("[a](" * 16384, marks=pytest.mark.long),
        pytest.param("![[" * 21845, marks=pytest.mark.long),
        "*a_b " * 13107,
        "".join("`" * n + " " for n in range(360)),
        "<" * 65536,
        "<!--" * 16384,
        "a <!--" * 10922,
        "<code>" * 10922,
        "\n/run" * 13107,
        "@forge-bot\n" * 5957,
        "~~a " * 16384,
        "> - " * 16384,
        "|" * 32000 + "\n" + "|-" * 16000,
        "\ue000" * 65536,
        "&" * 65536,
        "\x00" * 65536,
        " " * 65536,
    ],
    ids=lambda body: repr(body[:8]),
)
def test_any_comment_of_65536_characters_is_read_within_seconds(body: str) -> None:
    began = time.process_time()

    read_command(f"{body[:65000]}\n\n/run tidy")

    assert time.process_time() - began < 10


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
