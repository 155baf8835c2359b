"""Text that others wrote, made fit to show.

What an agent prints may steer a terminal, hide words, ping people, close issues
or carry a secret it has seen. Nothing of it reaches a page or a comment except
through here. Always in this order: invisible characters out, secrets out, then
the rest; a secret cut in two, or with a gap inside, would not be recognised.
"""

import re
from collections.abc import Sequence

from bot.text.redaction import redact

_LINE = 2_000  # characters of one line that are shown
_LEFT_OUT = "\n\n… {} characters left out …\n\n"

_ESCAPES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor
    r"|\x1b[\]PX^_][^\x07\x1b\n]*(?:\x07|\x1b\\)"  # OSC, DCS, SOS, PM, APC: titles, links, images
    r"|\x1b[ -/]*[0-~]?"
    r"|\x9b[0-?]*[ -/]*[@-~]"
)
_INVISIBLE = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f"  # C0 but tab and line ends, DEL, C1
    r"\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e"  # soft hyphen, joiners, fillers
    r"\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb"  # zero width, bidi
    r"\ud800-\udfff\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"  # surrogates, tags
)


def shown(text: str, secrets: Sequence[str] = ()) -> str:
    """Text for a page or a log: no control or invisible characters, no secrets, long lines cut."""
    lines = redact(visible(text), secrets).split("\n")
    return "\n".join(line if len(line) <= _LINE else f"{line[:_LINE]} … (line cut)" for line in lines)


def visible(text: str) -> str:
    """Without escape sequences, control, bidi and zero-width characters; a carriage return ends a line."""
    text = _ESCAPES.sub("", text).replace("\r\n", "\n").replace("\r", "\n")
    return _INVISIBLE.sub("", text)


GAP = "\u200b"  # a zero-width space: breaks what a forge would act on, and is not seen
_NAMES = (
    r"(?<=@)(?=[\w.\\])"  # mentions; a backslash may stand before the underscore of a name
    r"|(?<=[#!&%$])(?=\d)"  # references to issues, changes, epics, milestones, snippets
    r"|(?<=\bG[HL]-)(?=\d)|(?<=\bG[HL]\\-)(?=\d)"
    r"|(?<=\[)(?=(?:issue|work\\?_item|epic)\\?:)"  # GitLab's longer names of these
    r"|(?<=!)(?=\[)"  # images
    r"|(?<=<)(?=[A-Za-z/!?])"  # raw HTML, hidden comments, autolinks
    r"|(?<=&)(?=\#?\w+;)"  # entities, which spell all of these
    r"|^(?=[ \t]*/)"  # quick actions, and our own commands
    r"|(?<=/)(?=(?:issues|pull|pulls|discussions|merge_requests|work_items|epics|commit)\\?/)"  # by address
)
_NAMED = re.compile(_NAMES, re.IGNORECASE | re.MULTILINE)
_ACTED_ON = re.compile(
    rf"{_NAMES}"
    r"|(?<=\])(?=:)"  # definitions of links, which reach beyond a quotation
    r"|(?<=\bc)(?=los(?:e|es|ed|ing)\b)"  # closing keywords
    r"|(?<=\bf)(?=ix(?:es|ed|ing)?\b)"
    r"|(?<=\br)(?=esolv(?:e|es|ed|ing)\b)"
    r"|(?<=\bi)(?=mplement(?:s|ed|ing)?\b)",
    re.IGNORECASE | re.MULTILINE,
)


def inert(text: str) -> str:
    """Markdown in which nothing pings, closes, embeds or commands. It reads the same."""
    return _ACTED_ON.sub(GAP, text)


def inert_name(text: str) -> str:
    """The same of a title: of closing keywords only what they would close is made harmless."""
    return _NAMED.sub(GAP, text)


def reads_as_one(text: str) -> str:
    """One line of it, whatever there was between its words."""
    return " ".join(text.split())


def fence(text: str) -> str:
    """What to put before and after a text that is code, whatever backticks are in it."""
    return "`" * max(3, 1 + _ticks(text))


def _ticks(text: str) -> int:
    """The longest run of backticks in it."""
    return max(map(len, re.findall("`+", text)), default=0)


def without_secrets(text: str, secrets: Sequence[str]) -> str:
    """Text that was made inert in part, without secrets: those with a gap in them, too."""
    text = GAP.join(visible(piece) for piece in text.split(GAP))
    bare = text.replace(GAP, "")
    if redact(bare, secrets) == bare:
        return text
    hidden = redact(text, secrets)
    bare = hidden.replace(GAP, "")
    return hidden if redact(bare, secrets) == bare else inert(redact(bare, secrets))


def for_comment(text: str, limit: int, secrets: Sequence[str] = ()) -> str:
    """Others' Markdown as a quotation that pings, closes, embeds and commands nothing.

    A quotation, because whatever is left open in it (a fence, a list) ends where
    it ends. At most `limit` characters: head and tail are kept. "" stays "".
    """
    text = inert(redact(visible(text), secrets)).strip()
    if not text:
        return ""
    quoted = "\n".join(f"> {line}".rstrip() for line in text.split("\n"))
    return cut(quoted, limit, prefix="> ")


def for_line(text: str, limit: int, secrets: Sequence[str] = ()) -> str:
    """Others' words as code within a line of ours: no Markdown either. The first `limit` characters.

    What an agent does is no Markdown: `__init__.py` would be read as a bold word. "" stays "".
    """
    line = inert(reads_as_one(redact(visible(text), secrets)))
    line = line if len(line) <= limit else f"{line[:limit]}…"
    longest = _ticks(line)
    ends, room = "`" * (longest + 1), " " * bool(longest)
    return f"{ends}{room}{line}{room}{ends}" if line else ""


def cut(text: str, limit: int, *, prefix: str = "") -> str:
    """Head and tail of a text that is too long: the end of a log tells most, the start says of what.

    The tail begins with `prefix`, which is the sign of a quotation where the text is one.
    """
    if len(text) <= limit:
        return text
    room = max(0, limit - len(_LEFT_OUT) - len(prefix) - 10)
    head, tail = text[: room // 3], text[len(text) - (room - room // 3) :]
    return head + _LEFT_OUT.format(len(text) - room) + prefix + tail
