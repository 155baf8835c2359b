"""Verification of deliveries, as a value for each forge that is made from the shared secrets.

The forges have nothing in common here but HMAC-SHA256. The value holds all differences, so there is one
endpoint for all forges.
"""

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from bot.domain.errors import BadSettings

Headers = Mapping[bytes, bytes]  # by lower-case name

SHORTEST_SECRET = 16  # characters


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookVerifier:
    """The proof of origin of one forge's deliveries, and the headers that identify them."""

    forge: str
    event: bytes  # the header that names the kind of event
    event_form: re.Pattern[bytes]
    ids: tuple[bytes, ...]  # the headers that may hold the delivery's id: the first one present counts
    id_of_body: bool  # without any of them, the id is a hash of event and body
    proof: frozenset[bytes]  # headers that must be present before the body is read
    once: frozenset[bytes]  # headers that must not occur twice: forge and bot might use different ones
    # Verifies the proof in constant time, given all headers of `proof`.
    authentic: Callable[[Headers, bytes], bool]
    missing: str  # response to a sender without proof
    wrong: str  # response to a sender with a wrong proof

    def delivery_id(self, headers: Headers, body: bytes) -> bytes:
        """Return the id of this delivery, also if it is sent again; b"" if a required id is missing."""
        for name in self.ids:
            if name in headers:
                return headers[name]
        if not self.id_of_body:
            return b""
        return hashlib.sha256(headers.get(self.event, b"") + b"\n" + body).hexdigest().encode()


def check_lengths(section: str, secrets: Sequence[str]) -> None:
    """Raise BadSettings if a secret is so short that it can be guessed."""
    if any(len(secret) < SHORTEST_SECRET for secret in secrets):
        raise BadSettings(
            f"[{section}] webhook_secrets has a secret of less than {SHORTEST_SECRET} characters, which is "
            "easily guessed. Make a new one with `openssl rand -hex 32`; set it here and in the webhook's "
            "settings."
        )


def no_secret(which: str) -> BadSettings:
    """Return the error for settings of a forge that hold no secret."""
    return BadSettings(
        f"{which} empty, so anyone could send commands. Make a secret with `openssl rand -hex 32`, and put "
        "it in webhook_secrets and in the webhook's settings on the forge."
    )
