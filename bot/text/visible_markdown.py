"""Markdown without what its page does not show: an agent is told what people can read, and no more."""

import re
from typing import Any

from bot.text.markdown import parse

_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_LAST_DEFINITION = re.compile(r"^[ \t>*+\d.)-]*\[(?:[^\[\]\\]|\\.)*\]:.*(?:\n.+)*\Z", re.MULTILINE)


def without_hidden(text: str) -> str:
    """Without HTML comments, and without definitions of links: of `[//]: # (words)` nothing is ever seen.

    A comment that nobody closes hides what follows where it is HTML. In code, or among words, it is shown.
    """
    found: dict[str, Any] = {}
    tokens = parse(text, found)
    lines = text.split("\n")
    for token in tokens:
        if token.map and any(
            _is_left_open(each.content)
            for each in (token, *(token.children or []))
            if each.type in ("html_block", "html_inline")
        ):
            first, end = token.map
            before = _COMMENT.sub("", "\n".join(lines[first:end])).partition("<!--")[0]
            lines[first:] = before.split("\n")
            break
    defined = _definitions(found)
    return _COMMENT.sub("", "\n".join(line for at, line in enumerate(lines) if at not in defined))


def without_torn(text: str) -> str:
    """The same of the beginning of a text: what may be hidden by what was cut off is left out, too."""
    return without_hidden(_LAST_DEFINITION.sub("", text)).partition("<!--")[0]


def _is_left_open(html: str) -> bool:
    return "<!--" in _COMMENT.sub("", html)


def _definitions(found: dict[str, Any]) -> set[int]:
    """The lines of definitions. Those of footnotes, which are no links, are shown."""
    named = [*found.get("references", {}).items()]
    named += [(each["label"], each) for each in found.get("duplicate_refs", [])]
    return {line for label, each in named if not label.startswith("^") for line in range(*each["map"])}
