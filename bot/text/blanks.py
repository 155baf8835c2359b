"""Characters before a word that a page does not show.

Besides white space, these are marks that keyboards, mail programs and copied texts leave: the byte order
mark, joiners, and the marks of a writing direction that do not turn the following text around. The
zero-width space is not one of them: in front of a word of the bot, it keeps that word from being a command.
"""

_MARKS = r"\u00ad\u034f\u061c\u180e\u200c-\u200f\u202a\u2060-\u2064\u2066\u2068\ufeff"

# For regular expressions: one such character, line ends excluded.
BLANK = rf"(?:[^\S\r\n]|[{_MARKS}])"
