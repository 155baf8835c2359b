"""Invisible characters: which of them belong to a word or an emoji, and which are removed.

Persian, Hindi and Mongolian words and many emoji are not written right without joiners and selectors
(https://www.unicode.org/reports/tr31/, "Layout and Format Control Characters"). One of them alone, or several
in a row, belong to nothing: they only hide something, so they are removed as all other invisible characters.
"""

import re

_JOINERS = r"\u034f\u180e\u200c\u200d"  # between two characters of a word or an emoji
_SELECTORS = r"\u180b-\u180d\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef"  # of a form of the character before
_LINKS = re.compile(f"[{_JOINERS}{_SELECTORS}]")
_STRAY_SELECTOR = re.compile(rf"(?<![^\s{_JOINERS}{_SELECTORS}])[{_SELECTORS}]")
_STRAY_JOINER = re.compile(rf"(?<![^\s{_JOINERS}])[{_JOINERS}]|[{_JOINERS}](?![^\s{_JOINERS}{_SELECTORS}])")
_ESCAPES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor
    r"|\x1b[\]PX^_][^\x07\x1b\n]*(?:\x07|\x1b\\)"  # OSC, DCS, SOS, PM, APC: titles, links, images
    r"|\x1b[ -/]*[0-~]?"
    r"|\x9b[0-?]*[ -/]*[@-~]"
)
_INVISIBLE = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f"  # C0 but tab and line ends, DEL, C1
    r"\u00ad\u061c\u115f\u1160\u17b4\u17b5"  # soft hyphen, fillers
    r"\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb"  # zero width, bidi
    r"\ud800-\udfff\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"  # surrogates, formats of shorthand and music
    r"\U000e0000-\U000e00ff\U000e01f0-\U000e0fff]"  # tags
)


def visible(text: str) -> str:
    """Remove escape sequences, control, bidi and zero-width characters; a carriage return ends a line.

    A joiner stays between two visible characters, and one selector stays after a visible character.
    """
    text = _ESCAPES.sub("", text).replace("\r\n", "\n").replace("\r", "\n")
    text = _INVISIBLE.sub("", text)
    return _STRAY_JOINER.sub("", _STRAY_SELECTOR.sub("", text)) if _LINKS.search(text) else text


def without_joiners(text: str) -> str:
    """Remove joiners and selectors: two texts that look alike become equal."""
    return _LINKS.sub("", text)
