"""Reading commands from the Markdown tree of a comment.

A command counts only at the start of a line of ordinary text: people quote, fence and link commands to
talk about them, and only a Markdown parser can tell ordinary text from those. The text of the command is
then taken from the source, unchanged.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass

from bot.text.blanks import BLANK
from bot.text.markdown import Token, parse
from bot.text.repeated_mail import without_repeated_mail


@dataclass(frozen=True, slots=True)
class RawCommand:
    """A command word and everything after it. The word may be unknown if the line addresses the bot.

    `others`: the known commands on later lines, which are part of `rest`.
    """

    name: str
    rest: str
    others: tuple[str, ...] = ()


_LINE_END = re.compile(r"(\r\n?|\n)")  # Markdown's line ends only; str.splitlines has more
_BLANKS = re.compile(rf"\A{BLANK}*")
_BETWEEN = re.compile(rf"{BLANK}+")
_MARK = "\ue000"  # private use: means nothing to Markdown
_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
_NOT_ORDINARY = re.compile(r"<(/?)(?:a|blockquote|code|h[1-6]|kbd|ol|pre|samp|table|ul)\b", re.IGNORECASE)


def read(body: str, *, bot_name: str, known: Collection[str]) -> RawCommand | None:
    """Return the first known command of a comment, else the first line that addresses the bot, else None.

    A mail that a reply by mail repeats is not part of the comment.
    """
    body = without_repeated_mail(body.removeprefix("\ufeff"))  # the forges skip a byte order mark as well
    lines = _LINE_END.split(body)  # text and line ends in turn
    commands = {at: raw for at in range(0, len(lines), 2) if (raw := _read_line(lines[at], bot_name, known))}
    if not commands:
        return None
    ordinary = _ordinary(lines, commands)
    if not ordinary:
        return None
    first, *others = [at for at in ordinary if commands[at].name in known] or ordinary[:1]
    rest = commands[first].rest + "".join(lines[first + 1 :])
    return RawCommand(commands[first].name, rest, tuple(commands[at].name for at in others))


def _read_line(line: str, bot_name: str, known: Collection[str]) -> RawCommand | None:
    """Read a line as if it were ordinary text: `/run`, `/forgehand run`, `@bot run` or `@bot /run`."""
    line = _BLANKS.sub("", line, count=1)
    if not line.startswith(("/", "@")):
        return None
    word, rest = _split(line)
    if word.rstrip(",:") in {"/forgehand", f"@{bot_name.lower()}"}:
        word, rest = _split(rest)
        return RawCommand(word.removeprefix("/"), rest)
    name = word.removeprefix("/")
    return RawCommand(name, rest) if word.startswith("/") and name in known else None


def _split(text: str) -> tuple[str, str]:
    word, *rest = _BETWEEN.split(_BLANKS.sub("", text, count=1), maxsplit=1)
    return word.lower(), rest[0] if rest else ""


def _ordinary(lines: list[str], numbers: Collection[int]) -> list[int]:
    """Select the lines that begin as ordinary text.

    The tree has no positions of texts in the source, so a copy is parsed in which each of these lines
    begins with its own number.
    """
    marked = [line.replace(_MARK, "\ufffd") for line in lines]
    for at in numbers:
        text = marked[at].lstrip(" \t")
        marked[at] = f"{marked[at][: len(marked[at]) - len(text)]}{_MARK}{at}{_MARK}{text}"
    starts = _line_starts(parse("".join(marked)))
    return [int(text.split(_MARK)[1]) for text in starts if text.startswith(_MARK)]


def _line_starts(tokens: list[Token]) -> list[str]:
    """Return the first text of each line of each paragraph outside lists, quotes and tables."""
    starts = []
    paragraph = False
    inside = 0  # open HTML elements whose text is not ordinary
    for token in tokens:
        if token.type.endswith("_open"):
            paragraph = token.type == "paragraph_open" and token.level == 0
        elif token.type == "html_block":
            inside = _depth(inside, token.content)
        at_start = True
        for child in token.children or []:
            if child.type == "html_inline":
                inside = _depth(inside, child.content)
            if paragraph and at_start and not inside and child.type == "text" and child.level == 0:
                starts.append(child.content)
            at_start = child.type in {"softbreak", "hardbreak"}
    return starts


def _depth(inside: int, html: str) -> int:
    """Return the number of open elements after this HTML; `inside` is the number before it."""
    for closing in _NOT_ORDINARY.findall(_COMMENT.sub("", html)):
        inside = max(0, inside - 1) if closing else inside + 1
    return inside
