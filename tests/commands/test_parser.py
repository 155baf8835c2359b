"""Commands are read from lines of ordinary text only."""

import time

import pytest

from bot.commands.parser import RawCommand, read

KNOWN = ("run", "resume", "cancel", "approve", "status", "help")


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
        "\ufeff/run tidy",
        "\ufeff# Title\n/run tidy",
        "\u00a0/run tidy",
        "\u00a0\u00a0\u00a0\u00a0/run tidy",
        "Thanks!\n\u00a0\ufeff/run tidy",
        "\u200f/run tidy",
        "\u2068@forge-bot\u00a0run tidy",
        "\u202a/run\u200e tidy",
        "\u3000/run\u3000tidy",
        "/forgehand \u2060/run \u00adtidy",
        "Danke\u2028\n\u202f/run tidy",
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
        "\ufeff\u200b/run tidy",
        "\ufeff> /run tidy",
        "\ufeff    /run tidy",
        "\u00a0> quoted\n> /run tidy",
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
    assert read_command("/run one\n/cancel") == RawCommand("run", "one\n/cancel", others=("cancel",))


@pytest.mark.parametrize(
    ("body", "others"),
    [
        ("/run one\n\n@forge-bot cancel\n/forgehand status", ("cancel", "status")),
        ("Hi\n/run one\n/run two", ("run",)),
        ("@forge-bot please\n/run one\n/cancel", ("cancel",)),
        ("/run one\n@forge-bot thanks!", ()),
        ("/run one\n> /cancel\n\n```\n/cancel\n```\n\n- /cancel", ()),
        ("/run one /cancel", ()),
        ("/run one\n/cancelled is a state", ()),
    ],
)
def test_the_commands_after_the_first_are_named(body: str, others: tuple[str, ...]) -> None:
    raw = read_command(body)

    assert raw is not None
    assert (raw.name, raw.others) == ("run", others)


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
        "\u00a0" * 65536,
        "\ufeff/" * 32768,
        "/run" + "\u2060" * 65536,
        "From: a\nSubject: b\n" * 3400,
        "From: a\nSubject: b\n" * 3300 + "> c",
        "From\u00a0" * 13107,
        ("On 1 " * 99 + "\n") * 131,
        ("x1 schrieb " * 45 + "\n") * 131,
        "-----Original Message-----\n" * 2400,
        "*_" * 32768,
        "-" * 65536,
    ],
    ids=lambda body: repr(body[:8]),
)
def test_any_comment_of_65536_characters_is_read_within_seconds(body: str) -> None:
    began = time.process_time()

    read_command(f"{body[:65000]}\n\n/run tidy")

    assert time.process_time() - began < 10


def test_a_mail_that_a_reply_repeats_does_not_command_again() -> None:
    mail = "From: Ann <ann@example.org>\nSent: Monday\nTo: acme/anvil\nSubject: Re: Tidy (#12)\n\n/run tidy"

    assert read_command(f"Thanks!\n\n{mail}") is None
    assert read_command(f"/cancel\n\n{mail}") == RawCommand("cancel", "\n")
