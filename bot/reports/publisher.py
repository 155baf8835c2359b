"""The only module that sends text to a forge. A `Publisher` makes every text harmless first.

Text of other people was quoted safely when it was put into a comment (bot/text/sanitize.py). The
publisher is the second line of defence, for text that was not quoted by mistake. It parses the
whole text as Markdown. If anything in it would make a forge act (a mention, a closing keyword,
a command), the whole text is made inert, including any parts that were meant to act.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from bot.domain.change import Change, NewChange, Status
from bot.domain.thread import ReplyTarget, Thread
from bot.forges.forge import Forge
from bot.text.markdown import Token, parse
from bot.text.sanitize import cut, inert, inert_name, reads_as_one, without_secrets

MARKER = "<!-- forgehand:"  # begins the hidden comment at the end of every comment of the bot

_CLOSING = 40  # characters of the line that closes an issue
_LINE = 1_000  # characters of a one-line text; forges accept less, and their adapters cut to that
_OUR_HTML = re.compile(r"</?(?:details|summary|sub)>|<details open>")
_COMMAND = re.compile(r"[ \t]*/")
_ACTS = re.compile(
    r"@[\w.]"  # a mention
    # A closing keyword before a reference.
    r"|\b(?:clos(?:e[sd]?|ing)|fix(?:e[sd]|ing)?|resolv(?:e[sd]?|ing)|implement(?:s|ed|ing)?):?\s+"
    r"(?:issues?\s+)?(?:\S*[#!]\d|[A-Z]+-\d|\[(?:issue|work_item|epic):|https?:)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Publisher:
    """The writing calls of one forge, with `secrets` removed from every text.

    Each method calls the method of `Forge` with its name, and raises its errors.
    """

    forge: Forge
    secrets: Sequence[str]

    def comment(self, thread: Thread, text: str, marker: str, reply_target: ReplyTarget) -> int:
        """Post a comment that ends with the hidden marker, and return its id."""
        return self.forge.comment(thread, self._marked(text, marker), reply_target)

    def edit_comment(
        self, thread: Thread, comment_id: int, text: str, marker: str, reply_target: ReplyTarget
    ) -> None:
        """Replace the text of a comment."""
        self.forge.edit_comment(thread, comment_id, self._marked(text, marker), reply_target)

    def set_status(self, thread: Thread, sha: str, status: Status) -> None:
        description = one_line(status.description, self.secrets)
        self.forge.set_status(thread, sha, replace(status, description=description))

    def open_change(self, thread: Thread, change: NewChange) -> Change | None:
        """Open a change, or return None if there are no commits between its branches.

        The names of the branches are sent unaltered, because the branches exist under these names. The line
        that closes an issue is the only text of the bot that a forge acts on.
        """
        body = publishable(change.body, self.forge.comment_limit() - _CLOSING, self.secrets)
        if re.fullmatch(r"#[0-9]{1,19}", change.closes):
            body += f"\n\nCloses {change.closes}"
        title = one_line(change.title, self.secrets)
        return self.forge.open_change(thread, replace(change, title=title, body=body))

    def add_label(self, thread: Thread, label: str) -> None:
        self.forge.add_label(thread, one_line(label, self.secrets))

    def _marked(self, text: str, marker: str) -> str:
        limit = self.forge.comment_limit() - len(marker) - 2
        return f"{publishable(text, limit, self.secrets)}\n\n{marker}"


def marker_of(kind: str, subject: str) -> str:
    """Return the hidden marker of a comment, by which it is found again after a crash."""
    return f"{MARKER}{kind}:{subject} -->"


def publishable(text: str, limit: int, secrets: Sequence[str]) -> str:
    """Make a text safe for a forge: at most `limit` characters, no secret, nothing that acts."""
    text = cut(without_secrets(text, secrets), limit)
    if acts(text):
        text = cut(inert(text), limit)
    return text


def one_line(text: str, secrets: Sequence[str]) -> str:
    """Make a title, a label or a status description safe for a forge."""
    return inert_name(reads_as_one(without_secrets(text, secrets)))[:_LINE]


def acts(text: str) -> bool:
    """Report whether a forge would do more with this text than show it. Links to threads are allowed."""
    tokens = parse(text)
    return _has_command(text, tokens) or any(
        _ACTS.search(visible) or "<" in _OUR_HTML.sub("", html) for visible, html in _texts(tokens)
    )


def _texts(tokens: Sequence[Token]) -> Iterator[tuple[str, str]]:
    """Yield the visible text and the HTML of each piece.

    An image counts as HTML: the bot writes none, and a forge would load it.
    """
    for token in tokens:
        if token.type == "html_block":
            yield token.content, token.content
        for child in token.children or []:
            if child.type in ("html_inline", "image"):
                yield "", child.content if child.type == "html_inline" else "<"
        yield "".join(_visible(child) for child in token.children or []), ""


def _visible(child: Token) -> str:
    if child.type in ("softbreak", "hardbreak"):
        return "\n"
    return child.content if child.type in ("text", "text_special") else "\0" if child.content else ""


def _has_command(text: str, tokens: Sequence[Token]) -> bool:
    """Report whether a line outside code begins with a slash."""
    code = {
        line
        for token in tokens
        if token.type in ("fence", "code_block") and token.map
        for line in range(*token.map)
    }
    lines = text.split("\n")
    return any(_COMMAND.match(line) for number, line in enumerate(lines) if number not in code)
