"""Markdown as forges read it, for whoever must know what they would make of a text."""

import re
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.token import Token

__all__ = ["Token", "parse"]

_MARKDOWN = MarkdownIt("commonmark").enable(["table", "strikethrough"])


def parse(text: str, found: dict[str, Any] | None = None) -> list[Token]:
    """Its tokens; the definitions of links are put into `found`."""
    # The parser runs over the end of `>- <!--\n>` and the like, if there is no line end.
    return _MARKDOWN.parse(f"{text}\n", found)


def is_plain(word: str) -> bool:
    """May this word of a comment be repeated in a code span? Others could break out of it."""
    return re.fullmatch(r"[\w-]{1,40}", word) is not None
