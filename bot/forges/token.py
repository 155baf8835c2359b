"""The token of a forge, which may be replaced under a running bot.

Tokens expire and are rotated, and a restart in between would be one more thing
to remember: so a refused one is looked up again where it was set.
"""

from collections.abc import Callable
from contextlib import suppress

from bot.domain.errors import BadSettings


class Token:
    """`value` is the one used last. Raises BadSettings for one that no header can carry."""

    def __init__(self, value: str, *, section: str, again: Callable[[], str] | None = None) -> None:
        if not _is_word(value):
            raise BadSettings(f"[{section}] token must be one printable word.")  # requests would quote it
        self.value = value
        self._again = again

    def fresh(self) -> str:
        """The token as it is set now; the one before where that says nothing."""
        if self._again is not None:
            with suppress(BadSettings):  # somebody is at it this very moment
                found = self._again()
                self.value = found if _is_word(found) else self.value
        return self.value


def _is_word(token: str) -> bool:
    return bool(token) and token.isascii() and token.isprintable() and " " not in token
