"""A commit of an agent is rewritten as a commit of the bot."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.task import Identity
from bot.git.history import Commit
from bot.sandbox.export.rewrite import Style, body, clean_message, rewrite

STYLE = Style(author=Identity("Bot\n<x>", "bot@example.org"), co_author="ann <a@b>", title="Tidy @all")

PIECES = [
    *("***NO_CI***", "***NO", "_CI***", "[skip", " ci]", "ci", "skip-checks:", "Signed-off", "-by: x"),
    *("closes ", "fix", "es: ", "#1", "a/b", "GL-1", "[issue:1]", "https://f.example/a/-/issues/1"),
    *("@ann", " ", "\n", "\u200b", "\x1b[31m", "words"),
]


def made(message: str = "Work", date: str = "1700000000 +0100", **more: str) -> Commit:
    return Commit(more.get("id", "c1"), "t1", tuple(more.get("parents", "p1").split()), date, message)


@pytest.mark.parametrize(
    ("message", "cleaned"),
    [
        ("Fix a bug\n\nin the parser", "Fix a bug\n\nin the parser"),
        ("thanks @ann and a@b.example", "thanks @ ann and a@b.example"),
        ("fixes #12", "fixes no. 12"),
        ("Closes: acme/anvil#3, #4", "Closes: acme/anvilno. 3, no. 4"),
        ("resolves\nGH-5", "resolves\nGH 5"),
        ("Implements issue #6", "Implements issue no. 6"),
        ("closes https://forge.example/a/b/-/issues/7", "closes https://forge.example/a/b/-/issues 7"),
        ("closes anvil#8, [issue:9] and GL-10", "closes anvilno. 8, [issue 9] and GL 10"),
        ("fix [work_item:acme/anvil/11]", "fix [work_item acme/anvil/11]"),
        ("see #12", "see #12"),
        ("done.@ann, \u611f\u8c22@ben", "done.@ ann, \u611f\u8c22@ ben"),
        ("x [skip***NO_CI*** ci]", "x (skip ci)"),
        ("x\n\nCo-auth***NO***NO_CI***_CI***ored-by: Boss <b@x>", "x"),
        ("x [skip ci] [CI-Skip] [no actions]", "x (skip ci) (CI-Skip) (no actions)"),
        ("x [skip [skip ci]ci]", "x [skip (skip ci)ci]"),
        ("x\n\nskip-checks: true\n***NO_CI***", "x"),
        ("x\n\nCo-authored-by: Boss <b@x>\nSigned-off-by: Boss <b@x>", "x"),
        ("[ski\u200bp ci] \x1b[31mred\r\nnext", "(skip ci) red\nnext"),
        (" \n ", ""),
    ],
)
def test_a_rewritten_message_has_no_mentions_no_closing_keywords_no_ci_skips_and_no_trailers(
    message: str, cleaned: str
) -> None:
    assert clean_message(message) == cleaned


@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join))
def test_cleaning_a_message_twice_changes_nothing(message: str) -> None:
    cleaned = clean_message(message)

    assert clean_message(cleaned) == cleaned


def test_nested_ci_skips_are_removed_at_any_depth() -> None:
    message = "***NO" * 1000 + "***NO_CI***" + "_CI***" * 1000

    cleaned = clean_message(
        f"Work {message}\n\nCo-auth{message}ored-by: Boss <b@x>\nskip-{message}checks: true"
    )

    assert cleaned.startswith("Work " + "NO" * 900)  # markers are not removed one layer at a time
    assert "*" not in cleaned
    assert clean_message(cleaned) == cleaned


def test_a_rewritten_message_keeps_joiners_and_emoji() -> None:
    message = "Add \u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645.md \u2764\ufe0f"

    assert message.encode() in body(made(message), ["p1"], STYLE)


def test_a_rewritten_message_has_no_secrets() -> None:
    style = replace(STYLE, secrets=["s3cr3t-t@ken"])

    for gap in ("\u200b", "\u200d"):
        assert b"Use [redacted] now\n" in body(made(f"Use s3cr3t-{gap}t@ken now"), ["p1"], style)
    assert b"Use [redacted]\n" in body(made(""), ["p1"], replace(style, title="Use s3cr3t-t@ken"))


def test_a_rewritten_commit_has_its_tree_and_date_and_the_bot_as_author_with_a_co_author() -> None:
    assert body(made(), ["p2"], STYLE).decode() == (
        "tree t1\nparent p2\n"
        "author Botx <bot@example.org> 1700000000 +0100\n"
        "committer Botx <bot@example.org> 1700000000 +0100\n"
        "\nWork\n\nCo-authored-by: ann <a@b>\n"
    )


@pytest.mark.parametrize(
    ("co_author", "trailers"),
    [
        ("", "Signed-off-by: Botx <bot@example.org>\n"),
        ("ann <a@b>", "Co-authored-by: ann <a@b>\nSigned-off-by: Botx <bot@example.org>\n"),
    ],
)
def test_a_commit_is_signed_off_by_the_bot_and_never_by_the_agent(co_author: str, trailers: str) -> None:
    style = replace(STYLE, co_author=co_author, signoff=True)

    written = body(made("Work\n\nSigned-off-by: Ann <a@b>\n signed-off-by: x"), ["p1"], style).decode()

    assert written.endswith(f"\n\nWork\n\n{trailers}")


def test_a_commit_without_a_message_gets_the_title() -> None:
    assert b"\n\nTidy @ all\n" in body(made(""), [], STYLE)


@pytest.mark.parametrize("date", ["99999999999 +0000", "-1 +0000", "1 +9999", "", "1700000000 +0000\nx y"])
def test_a_date_that_no_forge_accepts_becomes_the_epoch(date: str) -> None:
    assert b"> 0 +0000\n" in body(made(date=date), [], STYLE)


def test_rewritten_parents_are_replaced_and_others_are_not_changed() -> None:
    written: list[bytes] = []

    def write(content: bytes) -> str:
        written.append(content)
        return f"n{len(written)}"

    ids = rewrite([made(id="a", parents="base"), made(id="b", parents="a theirs")], STYLE, write)

    assert ids == {"a": "n1", "b": "n2"}
    assert b"parent base\n" in written[0]
    assert b"parent n1\nparent theirs\n" in written[1]
