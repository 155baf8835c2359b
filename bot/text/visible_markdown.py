"""Removal of hidden text from Markdown, so that an agent reads only the text that people see."""

import re
from typing import Any

from bot.text.markdown import parse

_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_LAST_DEFINITION = re.compile(r"^[ \t>*+\d.)-]*\[(?:[^\[\]\\]|\\.)*\]:.*(?:\n.+)*\Z", re.MULTILINE)


def without_hidden(text: str) -> str:
    """Remove HTML comments and definitions of links, because `[//]: # (words)` shows nothing.

    An HTML comment that is not closed hides the rest of the text. In code, or within a paragraph, such a
    comment is shown, and stays.
    """
    definitions: dict[str, Any] = {}
    tokens = parse(text, definitions)
    lines = text.split("\n")
    for token in tokens:
        if token.map and any(
            _is_unclosed(each.content)
            for each in (token, *(token.children or []))
            if each.type in ("html_block", "html_inline")
        ):
            first, end = token.map
            before = _COMMENT.sub("", "\n".join(lines[first:end])).partition("<!--")[0]
            lines[first:] = before.split("\n")
            break
    defined = _lines_of(definitions)
    return _COMMENT.sub("", "\n".join(line for at, line in enumerate(lines) if at not in defined))


def without_torn(text: str) -> str:
    """Remove hidden text from the beginning of a text that was cut; also text that the rest may hide."""
    return without_hidden(_LAST_DEFINITION.sub("", text)).partition("<!--")[0]


def _is_unclosed(html: str) -> bool:
    return "<!--" in _COMMENT.sub("", html)


def _lines_of(definitions: dict[str, Any]) -> set[int]:
    """Return the numbers of the lines with definitions, but not of footnotes, which are shown."""
    named = [*definitions.get("references", {}).items()]
    named += [(each["label"], each) for each in definitions.get("duplicate_refs", [])]
    return {line for label, each in named if not label.startswith("^") for line in range(*each["map"])}
