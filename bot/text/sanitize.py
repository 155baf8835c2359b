"""Sanitizing of untrusted text for pages, logs and comments.

The output of an agent may control a terminal, hide words, ping people, close issues or contain a secret.
All of it passes these functions before it reaches a page or a comment. The order is always the same:
invisible characters are removed, then secrets are redacted, then the rest is done. A secret that is cut in
two, or has a gap inside, would not be recognized.
"""

import re
from collections.abc import Sequence

from bot.text.blanks import BLANK
from bot.text.invisible import visible
from bot.text.redaction import redact

_FEW = 3  # lines that are not worth a fold
_LINE = 2_000  # characters of one line that are shown
_LEFT_OUT = "\n\n… {} characters left out …\n\n"


def shown(text: str, secrets: Sequence[str] = ()) -> str:
    """Sanitize text for a page or a log: no control or invisible characters, no secrets, long lines cut."""
    lines = redact(visible(text), secrets).split("\n")
    return "\n".join(line if len(line) <= _LINE else f"{line[:_LINE]} … (line cut)" for line in lines)


GAP = "\u200b"  # an invisible zero-width space that keeps a forge from acting on a word
_MARKS = r"[*_~\[]*"  # of emphasis and links; a page does not show them, so they divide no name
_NAMES = (
    rf"(?<=@)(?={_MARKS}[\w.\\])"  # mentions; a backslash may stand before the underscore of a name
    rf"|(?<=[#!&%$])(?={_MARKS}\d)"  # references to issues, changes, epics, milestones, snippets
    rf"|(?<=\bG[HL]-)(?={_MARKS}\d)|(?<=\bG[HL]\\-)(?={_MARKS}\d)"
    r"|(?<=\[)(?=(?:issue|work\\?_item|epic)\\?:)"  # GitLab's longer references
    r"|(?<=!)(?=\[)"  # images
    r"|(?<=<)(?=[A-Za-z/!?])"  # raw HTML, hidden comments, autolinks
    r"|(?<=&)(?=\#?\w+;)"  # entities, which can stand for all of these
    rf"|^(?={BLANK}*/)"  # quick actions, and commands of the bot
    r"|(?<=/)(?=(?:issues|pull|pulls|discussions|merge_requests|work_items|epics|commit)\\?/)"  # addresses
)
_NAMED = re.compile(_NAMES, re.IGNORECASE | re.MULTILINE)
_ACTED_ON = re.compile(
    rf"{_NAMES}"
    r"|(?<=\])(?=:)"  # definitions of links, which have effect outside of a quotation
    r"|(?<=\bc)(?=los(?:e|es|ed|ing)\b)"  # closing keywords
    r"|(?<=\bf)(?=ix(?:es|ed|ing)?\b)"
    r"|(?<=\br)(?=esolv(?:e|es|ed|ing)\b)"
    r"|(?<=\bi)(?=mplement(?:s|ed|ing)?\b)",
    re.IGNORECASE | re.MULTILINE,
)


def inert(text: str) -> str:
    """Return Markdown that looks the same, but pings, closes, embeds and commands nothing."""
    return _ACTED_ON.sub(GAP, text)


def inert_name(text: str) -> str:
    """Return an inert title. Closing keywords stay: the references after them are harmless."""
    return _NAMED.sub(GAP, text)


def reads_as_one(text: str) -> str:
    """Return the text as one line, with single spaces between its words."""
    return " ".join(text.split())


def fence(text: str) -> str:
    """Return a fence for a block of code: longer than any run of backticks in the text."""
    return "`" * max(3, 1 + _ticks(text))


def _ticks(text: str) -> int:
    """Return the length of the longest run of backticks."""
    return max(map(len, re.findall("`+", text)), default=0)


def without_secrets(text: str, secrets: Sequence[str]) -> str:
    """Redact secrets in text that was made inert in part, also secrets that have a gap inside."""
    text = GAP.join(visible(piece) for piece in text.split(GAP))
    bare = text.replace(GAP, "")
    if redact(bare, secrets) == bare:
        return text
    hidden = redact(text, secrets)
    bare = hidden.replace(GAP, "")
    return hidden if redact(bare, secrets) == bare else inert(redact(bare, secrets))


def for_comment(text: str, limit: int, secrets: Sequence[str] = ()) -> str:
    """Return untrusted Markdown as a quotation that pings, closes, embeds and commands nothing.

    In a quotation, an open fence or list ends with the quotation. The result has at most `limit`
    characters: head and tail stay, the middle is cut. "" stays "".
    """
    text = inert(redact(visible(text), secrets)).strip()
    if not text:
        return ""
    quoted = "\n".join(f"> {line}".rstrip() for line in text.split("\n"))
    return cut(quoted, limit, prefix="> ")


def folded_quotation(text: str, lines: int, limit: int, secrets: Sequence[str] = ()) -> str:
    """Return untrusted Markdown as `for_comment` does, with everything after so many lines folded."""
    quoted = for_comment(text, limit, secrets).split("\n")
    shown, rest = quoted[:lines], quoted[lines:]
    if len(rest) <= _FEW:
        return "\n".join(quoted)
    more = f"<details><summary>{len(rest)} more lines</summary>"
    return "\n".join(["\n".join(shown), "", more, "", *rest, "", "</details>"])


def for_line(text: str, limit: int, secrets: Sequence[str] = ()) -> str:
    """Return the first `limit` characters of an untrusted text as code, for use within a line.

    Code, because the text is not Markdown: `__init__.py` would become a bold word. "" stays "".
    """
    line = inert(reads_as_one(redact(visible(text), secrets)))
    line = line if len(line) <= limit else f"{line[:limit]}…"
    longest = _ticks(line)
    ends, padding = "`" * (longest + 1), " " * bool(longest)
    return f"{ends}{padding}{line}{padding}{ends}" if line else ""


def cut(text: str, limit: int, *, prefix: str = "") -> str:
    """Cut the middle of a text that is longer than `limit`.

    The end of a log says most, and its start says what it is about. `prefix` is put before the tail: the
    sign of a quotation, if the text is one.
    """
    if len(text) <= limit:
        return text
    size = max(0, limit - len(_LEFT_OUT) - len(prefix) - 10)
    head, tail = text[: size // 3], text[len(text) - (size - size // 3) :]
    return head + _LEFT_OUT.format(len(text) - size) + prefix + tail
