"""Who may have sent a delivery: one value a forge, made of the secrets that both sides hold.

The forges agree on nothing here but HMAC-SHA256, so all that differs between
them stands side by side in this module, and the endpoint is written once.
"""

import base64
import hashlib
import hmac
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from bot.domain.errors import BadSettings

Headers = Mapping[bytes, bytes]  # by lower-case name

SHORTEST_SECRET = 16  # characters
_WINDOW = 300  # seconds that the time of a signature may lie behind or ahead
_PREFIX = "whsec_"
_KEY_BYTES = range(24, 65)  # of a signing token, as Standard Webhooks has it; GitLab makes 32
_STANDARD = frozenset({b"webhook-id", b"webhook-timestamp", b"webhook-signature"})
_SECONDS = re.compile(rb"[0-9]{1,12}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
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


def github(secrets: Sequence[str]) -> Sender:
    """GitHub, where any of `secrets` may have signed. Raises BadSettings without one worth the name."""
    if not secrets:
        raise _empty("[github] webhook_secrets is")
    _check_lengths("github", secrets)
    return Sender(
        forge="github",
        event=b"x-github-event",
        event_form=re.compile(rb"[a-z0-9_]{1,64}"),
        ids=(b"x-github-delivery",),
        id_of_body=False,
        proof=frozenset({b"x-hub-signature-256"}),
        once=frozenset({b"x-github-delivery", b"x-github-event", b"x-hub-signature-256"}),
        authentic=partial(_signed_by_github, [secret.encode() for secret in secrets]),
        missing="no X-Hub-Signature-256: set a secret in the webhook's settings",
        wrong="the signature does not match: is it the same secret on both sides?",
    )


def gitlab(secrets: Sequence[str], signing_tokens: Sequence[str]) -> Sender:
    """GitLab, where any of `signing_tokens` may have signed; only without one any of `secrets` will do.

    Raises BadSettings where both are empty, and on one that is not worth its name.
    """
    if not secrets and not signing_tokens:
        raise _empty("[gitlab] signing_tokens and webhook_secrets are both")
    _check_lengths("gitlab", secrets)
    plain = Sender(
        forge="gitlab",
        event=b"x-gitlab-event",
        event_form=re.compile(rb"[A-Za-z0-9_-][A-Za-z0-9_ -]{0,63}"),
        ids=(b"idempotency-key", b"webhook-id"),
        id_of_body=True,  # older ones send neither
        proof=frozenset({b"x-gitlab-token"}),
        once=frozenset({b"idempotency-key", b"x-gitlab-event", b"x-gitlab-token"}) | _STANDARD,
        authentic=partial(_knows, [hashlib.sha256(secret.encode()).digest() for secret in secrets]),
        missing="no X-Gitlab-Token: set a secret token in the webhook's settings",
        wrong="X-Gitlab-Token does not match: is it the same secret on both sides?",
    )
    if not signing_tokens:
        return plain
    return replace(
        plain,
        ids=(b"webhook-id",),  # Idempotency-Key says the same, but is not signed: a replay could change it
        proof=_STANDARD,
        authentic=partial(_signed_as_standard, [_key(token) for token in signing_tokens]),
        missing="not signed, and a secret token does not do here: set the signing token in the webhook's "
        "settings",
        wrong="the signature does not match, or its time is more than five minutes off: is it the same "
        "signing token on both sides, and do both clocks go right?",
    )


def _signed_by_github(keys: Sequence[bytes], headers: Headers, body: bytes) -> bool:
    """Whether one of the keys gives GitHub's HMAC-SHA256 of the raw body.

    Form: `sha256=` and 64 hex digits, as https://docs.github.com/webhooks describes
    under "Validating webhook deliveries". The SHA-1 header beside it is never looked at.
    """
    given = headers[b"x-hub-signature-256"]
    held = False
    for key in keys:  # all of them: the time must not tell which one it was
        expected = b"sha256=" + hmac.digest(key, body, hashlib.sha256).hex().encode()
        held |= hmac.compare_digest(expected, given)
    return held


def _signed_as_standard(keys: Sequence[bytes], headers: Headers, body: bytes) -> bool:
    """Whether one of the keys gives one of the signatures, made within the last or next five minutes.

    Form: https://www.standardwebhooks.com, symmetric: `v1,` and base64, several parted by blanks.
    """
    at = headers[b"webhook-timestamp"]
    if not _SECONDS.fullmatch(at) or abs(time.time() - int(at)) > _WINDOW:
        return False
    signed = b".".join((headers[b"webhook-id"], at, body))
    held = False
    for key in keys:
        expected = b"v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256))
        for given in headers[b"webhook-signature"].split():
            held |= hmac.compare_digest(expected, given)
    return held


def _knows(digests: Sequence[bytes], headers: Headers, _body: bytes) -> bool:
    """Whether the token is one of ours. By digests, because comparing the tokens would tell their length."""
    given = hashlib.sha256(headers[b"x-gitlab-token"]).digest()
    held = False
    for digest in digests:
        held |= hmac.compare_digest(digest, given)
    return held


def _key(token: str) -> bytes:
    """The bytes a signing token stands for. Raises BadSettings, which does not quote it."""
    prefix, encoded = token[: len(_PREFIX)], token[len(_PREFIX) :]
    try:
        key = base64.b64decode(encoded, validate=True) if prefix == _PREFIX else b""
    except ValueError:
        key = b""
    if len(key) not in _KEY_BYTES:
        raise BadSettings(
            f"[gitlab] signing_tokens holds one that is not `{_PREFIX}` and the base64 of {_KEY_BYTES[0]} to "
            f"{_KEY_BYTES[-1]} bytes. Take it over whole from the webhook's settings, where GitLab shows it "
            "once; a secret token of your own belongs in webhook_secrets."
        )
    return key


def _check_lengths(section: str, secrets: Sequence[str]) -> None:
    if any(len(secret) < SHORTEST_SECRET for secret in secrets):
        raise BadSettings(
            f"[{section}] webhook_secrets holds one of less than {SHORTEST_SECRET} characters, which can be "
            "guessed. Make a new one with `openssl rand -hex 32`, here and in the webhook's settings."
        )


def _empty(which: str) -> BadSettings:
    return BadSettings(
        f"{which} empty, so anyone could give orders. Make a secret with `openssl rand -hex 32` and put "
        "the same one in webhook_secrets and in the webhook's settings on the forge."
    )
