"""Published text triggers no action, contains no secret, and people can still read it."""

import ast
import base64
import re
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from bot.domain.change import CheckState, NewChange, Status
from bot.domain.thread import ReplyTarget
from bot.reports.publisher import Publisher, acts, one_line, publishable
from bot.text.sanitize import GAP, for_comment, for_line
from tests.support.commander import ISSUE
from tests.support.fakes import FakeForge

ROOT = Path(__file__).parents[2]
TOKEN = "s3cr3t+token/of~the_bot"
LIMIT = 65_536
MARKDOWN = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])

ORDINARY = ["tidied", "the", "parser", "a.b", "don't", "über", "x_y", "1", "10%", "C#", "A&B", "a<b", "why?!"]
MARKS = [
    "*",
    "**",
    "_",
    "`",
    "```",
    "~~",
    "\\",
    "[",
    "](",
    ")",
    "]",
    "]:",
    "|",
    "> ",
    "- ",
    "1. ",
    "# ",
    "    ",
]
ACTIVE = [
    "@ann",
    "@acme/team",
    "@_x",
    "@\\_x",
    "\\@ann",
    "&commat;ann",
    "&#64;ann",
    "closes #12",
    "Fixes: acme/anvil#3",
    "resolving GH-4",
    "implements GH\\-4",
    "fixes GL-4",
    "closing [issue:12]",
    "[work_item:acme/anvil/12]",
    "[work\\_item\\:12]",
    "close https://github.com/acme/anvil/issues/12",
    "fixed !7",
    "#12",
    "&4",
    "/close",
    "\n/label ~x",
    "\r/approve",
    "\u2028/merge",
    "![a](https://evil.example/x.png)",
    "![a][b]",
    "<img src=x>",
    "<!-- forgehand:final:t1-1 -->",
    "<details open onclick=x>",
    "</details>",
    "<https://github.com/acme/anvil/pull/1>",
    "\x1b[31m",
    "\u200b",
    "\u202e",
    GAP,
]
HEX = TOKEN.encode().hex()
SECRET = [
    TOKEN,
    TOKEN[::-1],
    HEX,
    HEX.upper(),
    base64.b64encode(TOKEN.encode()).decode(),
    base64.b64encode(f"x{TOKEN}x".encode()).decode(),
    f"{TOKEN[:9]}\u200b{TOKEN[9:]}",
    f"{TOKEN[:3]}\u2060{TOKEN[3:]}",
    "ghp_" + "a1B2" * 9,
]
UNBROKEN_SECRETS = [each for each in SECRET if "\u200b" not in each and "\u2060" not in each]

pieces = st.sampled_from([*ORDINARY, *MARKS, *ACTIVE, *SECRET, " ", "\n", "\n\n"]) | st.text(max_size=5)
texts = st.lists(pieces, max_size=12).map("".join) | st.lists(pieces, max_size=12).map(" ".join)

MENTION = re.compile(r"@[A-Za-z0-9_.]")
REFERENCE = re.compile(
    r"[#!&%$]\d|\bG[HL]-\d|\[(?:issue|work_item|epic):|https?://\S+/(?:issues|pull|merge_requests)/\d",
    re.IGNORECASE,
)
CLOSING = re.compile(
    r"\b(?:close[sd]?|closing|fix(?:e[sd]|ing)?|resolve[sd]?|resolving|implement(?:s|ed|ing)?):?\s+"
    r"(?:\S*[#!]\d|G[HL]-\d|\[(?:issue|work_item|epic):|https?:)",
    re.IGNORECASE,
)


def actions_of(text: str, *, quoted: bool) -> list[str]:
    """List the actions of a forge for this text, according to its Markdown parser.

    If the text is not `quoted`, the folding of a patch and the references of the bot are allowed.
    """
    found = []
    for token in MARKDOWN.parse(text):
        inside = token.children or []
        html = [each.content for each in [token, *inside] if each.type in ("html_block", "html_inline")]
        found += [
            each
            for each in html
            if quoted or "<" in re.sub("</?(details|summary|sub)>|<details open>", "", each)
        ]
        found += [f"image: {each.content}" for each in inside if each.type == "image"]
        said = (
            "\n" if each.type == "softbreak" else each.content
            for each in inside
            if each.type != "code_inline"
        )
        found += _named("".join(said), quoted=quoted)
    found += [f"command: {line}" for line in re.split(r"[\r\n]", text) if quoted and re.match(r"\s*/", line)]
    return found


def _named(said: str, *, quoted: bool) -> list[str]:
    patterns = [MENTION, CLOSING, REFERENCE] if quoted else [MENTION, CLOSING]
    return [found[0] for pattern in patterns if (found := pattern.search(said))]


@given(texts)
@example("see #*12*, @**ann** and @[ann](x)")
def test_quoted_text_of_others_triggers_no_action_of_a_forge(text: str) -> None:
    made = for_comment(text, LIMIT, [TOKEN])

    assert actions_of(made, quoted=True) == []
    assert not acts(made)


@pytest.mark.parametrize("text", [">- <!--\n>", "/close\n\n> - <pre>\n>"])
def test_a_command_after_broken_markup_is_found_and_disarmed(text: str) -> None:
    assert acts(text)
    assert not acts(publishable(text, LIMIT, [TOKEN]))


@given(texts)
def test_text_of_others_in_a_line_of_the_bot_is_code_without_secrets_and_actions(text: str) -> None:
    made = for_line(text, LIMIT, [TOKEN])
    paragraph, inside, end = MARKDOWN.parse(f"Now: {made}.")

    assert (paragraph.type, end.type) == ("paragraph_open", "paragraph_close")
    assert [each.type for each in inside.children or []] == ["text", *["code_inline", "text"] * bool(made)]
    assert not [each for each in UNBROKEN_SECRETS if each in made.replace(GAP, "")]
    assert not acts(f"Now: {made}.")


@given(texts)
def test_unquoted_text_of_others_triggers_no_action_of_a_forge(text: str) -> None:
    made = publishable(text, LIMIT, [TOKEN])

    assert actions_of(made, quoted=False) == []
    assert not acts(made)


@given(texts, st.integers(min_value=100, max_value=300))
@example("tidied@*", 100)
def test_a_cut_text_triggers_no_action_of_a_forge(text: str, limit: int) -> None:
    made = publishable(text * 20, limit, [TOKEN])

    assert len(made) <= limit
    assert actions_of(made, quoted=False) == []


@given(texts)
def test_a_title_has_no_mention_reference_or_image(text: str) -> None:
    made = one_line(text, [TOKEN])

    assert not re.search(r"[\r\n]|^\s*/|!\[|<[a-z!/]|@[\w.]|[#!&]\d", made, re.IGNORECASE)


@given(texts)
def test_published_text_contains_no_secret(text: str) -> None:
    for made in (
        for_comment(text, LIMIT, [TOKEN]),
        publishable(text, LIMIT, [TOKEN]),
        one_line(text, [TOKEN]),
    ):
        bare = made.replace(GAP, "").replace("\n> ", "\n")
        assert not [each for each in UNBROKEN_SECRETS if each in bare]


@given(st.lists(st.sampled_from([*ORDINARY, *ACTIVE[:14]]), min_size=1).map(" ".join))
def test_publishing_does_not_change_the_visible_text(text: str) -> None:
    assert for_comment(text, LIMIT, [TOKEN]).replace(GAP, "").removeprefix("> ") == text
    assert publishable(text, LIMIT, [TOKEN]).replace(GAP, "") == text
    assert one_line(text, [TOKEN]).replace(GAP, "") == text


@given(st.lists(st.sampled_from(ORDINARY), min_size=1).map(" ".join))
def test_ordinary_text_is_published_unaltered(text: str) -> None:
    assert publishable(text, LIMIT, [TOKEN]) == text


@pytest.mark.parametrize(
    "ours",
    [
        "**Pushed.** Branch [`forgehand/12`](https://github.com/a/b/tree/x) is at `c0ffee`. The change is "
        "[#7](https://github.com/a/b/pull/7).",
        "Made for #12, asked by ann:",
        "Next: `/resume <what to do next>` or `@forgehand run`",
        "| | |\n|---|---|\n| Task | `t1`, run 2 |",
        "<details><summary>1 file, +1 -0</summary>\n\n```diff\n+@ann closes #1 <b>\n /x\n```\n\n</details>",
        "This change is closed or merged.",
    ],
)
def test_text_of_the_bot_is_published_unaltered(ours: str) -> None:
    assert publishable(ours, LIMIT, [TOKEN]) == ours


def test_a_secret_with_an_inserted_gap_is_redacted() -> None:
    assert TOKEN not in publishable(f"a {TOKEN[:9]}{GAP}{TOKEN[9:]} b", LIMIT, [TOKEN]).replace(GAP, "")


def test_a_text_that_is_too_long_is_cut_in_the_middle_with_a_note() -> None:
    made = publishable("first " + "x " * 40_000 + "last", 1_000, [])

    assert made.startswith("first x")
    assert made.endswith("x last")
    assert "characters left out" in made


def test_every_writing_method_of_a_publisher_redacts_and_disarms_its_text() -> None:
    forge, bad = FakeForge(), f"@ann {TOKEN} <img src=x>"
    publisher = Publisher(forge, [TOKEN])

    comment_id = publisher.comment(ISSUE, bad, "<!-- m -->", ReplyTarget())
    said = [forge.comments[comment_id][1]]
    publisher.edit_comment(ISSUE, comment_id, bad, "<!-- m -->", ReplyTarget())
    publisher.set_status(ISSUE, "c", Status(verdict=CheckState.ERROR, description=bad, url=""))
    publisher.open_change(ISSUE, NewChange(head_branch="h", base_branch="b", title=bad, body=bad, draft=True))
    publisher.add_label(ISSUE, bad)

    said += [forge.comments[comment_id][1], forge.statuses[0][1].description]
    said += [forge.changes[0].title, forge.changes[0].body, *forge.labels[ISSUE.key]]
    written = {each.removesuffix("\n\n<!-- m -->") for each in said}
    assert written == {f"@{GAP}ann [redacted] <{GAP}img src=x>"}


WRITING = {"comment", "edit_comment", "set_status", "open_change", "add_label"}
PUBLISHER = "bot/reports/publisher.py"


def bypasses(path: str, source: str) -> list[str]:
    """Find writing methods of `Forge` that are used without a `Publisher`, by their names.

    The receiver must be a publisher: an argument annotated so, or a variable that is assigned a new
    one. Its function must declare it; mypy prevents that a forge is assigned to it later.
    """
    syntax = ast.parse(source)
    functions = [each for each in ast.walk(syntax) if isinstance(each, ast.FunctionDef)]
    through = {use for function in functions for use in _uses(function, _publishers(function))}
    if path == PUBLISHER:
        through = {use for use in ast.walk(syntax) if ast.unparse(use).startswith("self.forge.")}
    return [
        f"{path}:{use.lineno}: {ast.unparse(use)}"
        for use in ast.walk(syntax)
        if isinstance(use, ast.Attribute) and use.attr in WRITING and use not in through
    ]


def _publishers(function: ast.FunctionDef) -> set[str]:
    """Return the names of arguments and variables that are publishers."""
    arguments = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    annotated = {
        each.arg for each in arguments if each.annotation and ast.unparse(each.annotation) == "Publisher"
    }
    assigned = {
        ast.unparse(each.targets[0])
        for each in ast.walk(function)
        if isinstance(each, ast.Assign) and ast.unparse(each.value).startswith("Publisher(")
    }
    return annotated | assigned


def _uses(function: ast.FunctionDef, names: set[str]) -> set[ast.AST]:
    return {
        each
        for each in ast.walk(function)
        if isinstance(each, ast.Attribute) and isinstance(each.value, ast.Name) and each.value.id in names
    }


def test_only_a_publisher_writes_to_a_forge() -> None:
    found = [
        bypass
        for folder in ("bot", "handlers")
        for path in (ROOT / folder).rglob("*.py")
        if "playground" not in path.parts
        for bypass in bypasses(str(path.relative_to(ROOT)), path.read_text())
    ]

    assert found == []


BYPASSES = """
def send(forge: Forge) -> None:
    forge.comment(thread, text, target)
---
def send(publisher: Forge) -> None:
    publisher.comment(thread, text, target)
---
def send(publisher) -> None:
    publisher.comment(thread, text, target)
---
def send(publisher: Publisher) -> None:
    publisher.forge.comment(thread, text, target)
---
def send(self) -> None:
    self.forge.set_status(thread, sha, status)
---
def send(forge: Forge) -> None:
    publisher = forge
    publisher.add_label(thread, label)
---
def send(publisher: Publisher, forge: Forge) -> None:
    call(forge.open_change)
---
def other(publisher: Publisher) -> None: ...
def send() -> None:
    publisher.edit_comment()
---
publisher.comment(thread, text, target)
"""


@pytest.mark.parametrize("source", BYPASSES.split("---"))
def test_a_call_that_bypasses_the_publisher_is_found(source: str) -> None:
    assert len(bypasses("bot/reports/sender.py", source)) == 1


def test_a_call_of_a_publisher_is_not_a_bypass() -> None:
    given = "def send(publisher: Publisher) -> None:\n    publisher.comment(thread, text)"
    made = "def send() -> None:\n    publisher = Publisher(forge, [])\n    publisher.add_label(label)"

    assert bypasses("bot/reports/sender.py", given) + bypasses("bot/reports/sender.py", made) == []
