"""How a forge's deliveries prove where they come from: one value a forge, made of the shared secrets.

The forges agree on nothing here but HMAC-SHA256. All that differs between them is in this value, so the
endpoint is written once.
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
    """How the deliveries of one forge prove that they are its own, and where they say what they are."""

    forge: str
    event: bytes  # the header that names the kind of event
    event_form: re.Pattern[bytes]
    ids: tuple[bytes, ...]  # the headers that may hold the delivery's id: the first that is there counts
    id_of_body: bool  # where none is there: what says the same is the same
    proof: frozenset[bytes]  # headers without which nothing of the body is read
    once: frozenset[bytes]  # headers of which a second could mislead: the two ends might take another one
    authentic: Callable[[Headers, bytes], bool]  # whether it holds; constant time, asked with all of `proof`
    missing: str  # what to tell a sender without proof
    wrong: str  # what to tell one whose proof does not hold

    def delivery_id(self, headers: Headers, body: bytes) -> bytes:
        """The id this delivery has however often it is sent; empty where it should have one and has none."""
        for name in self.ids:
            if name in headers:
                return headers[name]
        if not self.id_of_body:
            return b""
        return hashlib.sha256(headers.get(self.event, b"") + b"\n" + body).hexdigest().encode()


def check_lengths(section: str, secrets: Sequence[str]) -> None:
    """Raise BadSettings if one of the secrets is so short that it can be guessed."""
    if any(len(secret) < SHORTEST_SECRET for secret in secrets):
        raise BadSettings(
            f"[{section}] webhook_secrets holds one of less than {SHORTEST_SECRET} characters, which can be "
            "guessed. Make a new one with `openssl rand -hex 32`, here and in the webhook's settings."
        )


def no_secret(which: str) -> BadSettings:
    """Return the error for settings of a forge that hold no secret."""
    return BadSettings(
        f"{which} empty, so anyone could give orders. Make a secret with `openssl rand -hex 32` and put "
        "the same one in webhook_secrets and in the webhook's settings on the forge."
    )
