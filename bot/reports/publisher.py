"""The one way out: whatever a forge is told, of ours or of others, is told by a `Mouth`.

What others wrote was made harmless where it was quoted (bot/text/sanitize.py). This is for
what somebody forgot to quote: words that would act are found with a Markdown
parser, and then nothing in the whole text acts any more, not even what was meant to.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from bot.domain.change import Change, NewChange, Status
from bot.domain.thread import ReplyTarget, Thread
from bot.forges.forge import Forge
from bot.text.markdown import Token, parse
from bot.text.sanitize import cut, inert, inert_name, reads_as_one, without_secrets

_LINE = 1_000  # characters of what has to be one line; forges take less, and their adapters cut to that
_OUR_HTML = re.compile(r"</?(?:details|summary)>")
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
    """Speaks to one forge, and keeps `secrets` to itself. Raises what `Forge` raises."""

    forge: Forge
    secrets: Sequence[str]

    def say(self, thread: Thread, text: str, marker: str, reply_target: ReplyTarget) -> int:
        """Post a comment that ends in our hidden marker; its id."""
        return self.forge.comment(thread, self._marked(text, marker), reply_target)

    def say_instead(
        self, thread: Thread, comment_id: int, text: str, marker: str, reply_target: ReplyTarget
    ) -> None:
        """Put this in the place of a comment's text."""
        self.forge.edit_comment(thread, comment_id, self._marked(text, marker), reply_target)

    def tell_status(self, thread: Thread, sha: str, status: Status) -> None:
        description = one_line(status.description, self.secrets)
        self.forge.set_status(thread, sha, replace(status, description=description))

    def offer(self, thread: Thread, wanted: NewChange) -> Change | None:
        """Open a change. Its branches are there by these names, and are told as they are."""
        body = publishable(wanted.body, self.forge.comment_limit(), self.secrets)
        title = one_line(wanted.title, self.secrets)
        return self.forge.open_change(thread, replace(wanted, title=title, body=body))

    def put_label(self, thread: Thread, label: str) -> None:
        self.forge.add_label(thread, one_line(label, self.secrets))

    def _marked(self, text: str, marker: str) -> str:
        room = self.forge.comment_limit() - len(marker) - 2
        return f"{publishable(text, room, self.secrets)}\n\n{marker}"


def publishable(text: str, limit: int, secrets: Sequence[str]) -> str:
    """A text for a forge of at most `limit` characters: nothing in it acts, and no secret is told."""
    text = cut(without_secrets(text, secrets), limit)
    if acts(text):
        text = cut(inert(text), limit)
    return text


def one_line(text: str, secrets: Sequence[str]) -> str:
    """A title, a label, the words of a status."""
    return inert_name(reads_as_one(without_secrets(text, secrets)))[:_LINE]


def acts(text: str) -> bool:
    """Would a forge do something because of this text but show it? Links to a thread are let be."""
    tokens = parse(text)
    return _commands(text, tokens) or any(
        _ACTS.search(said) or "<" in _OUR_HTML.sub("", html) for said, html in _texts(tokens)
    )


def _texts(tokens: Sequence[Token]) -> Iterator[tuple[str, str]]:
    """Of each piece of text what is read and what is HTML; an image is none of ours, and counts as HTML."""
    for token in tokens:
        if token.type == "html_block":
            yield token.content, token.content
        for child in token.children or []:
            if child.type in ("html_inline", "image"):
                yield "", child.content if child.type == "html_inline" else "<"
        yield "".join(_read(child) for child in token.children or []), ""


def _read(child: Token) -> str:
    if child.type in ("softbreak", "hardbreak"):
        return "\n"
    return child.content if child.type in ("text", "text_special") else "\0" if child.content else ""


def _commands(text: str, tokens: Sequence[Token]) -> bool:
    """Does a line begin with a slash, where it is not code?"""
    code = {
        line
        for token in tokens
        if token.type in ("fence", "code_block") and token.map
        for line in range(*token.map)
    }
    lines = text.split("\n")
    return any(_COMMAND.match(line) for at, line in enumerate(lines) if at not in code)
