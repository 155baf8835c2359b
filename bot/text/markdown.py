"""A Markdown parser that reads text in the same way as the forges."""

import re
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.token import Token

__all__ = ["Token", "parse"]

_MARKDOWN = MarkdownIt("commonmark").enable(["table", "strikethrough"])


def parse(text: str, definitions: dict[str, Any] | None = None) -> list[Token]:
    """Return the tokens of a text, and put its definitions of links into `definitions`."""
    # Without a line end, the parser reads past the end of texts such as `>- <!--\n>`.
    return _MARKDOWN.parse(f"{text}\n", definitions)


def is_plain(word: str) -> bool:
    """Report whether a word of a comment may be repeated in a code span: other words could end the span."""
    return re.fullmatch(r"[\w-]{1,40}", word) is not None
