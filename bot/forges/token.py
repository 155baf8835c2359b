"""The token of a forge, which the operator may replace while the bot runs.

Tokens expire and are rotated. A restart should not be needed for that, so a token that the forge refused
is read from the settings again.
"""

from collections.abc import Callable
from contextlib import suppress

from bot.domain.errors import BadSettings


class Token:
    """A token; `value` is the one that was used last. Raises BadSettings if a header cannot carry it."""

    def __init__(self, value: str, *, section: str, read_token: Callable[[], str] | None = None) -> None:
        if not _is_word(value):
            # Refused here, because `requests` would show the token in its error.
            raise BadSettings(f"[{section}] token must be one printable word.")
        self.value = value
        self._read_token = read_token

    def fresh(self) -> str:
        """Return the token that is set now; the previous one if the settings are invalid or have none."""
        if self._read_token is not None:
            with suppress(BadSettings):  # somebody may be editing the settings right now
                token = self._read_token()
                self.value = token if _is_word(token) else self.value
        return self.value


def _is_word(token: str) -> bool:
    return bool(token) and token.isascii() and token.isprintable() and " " not in token
