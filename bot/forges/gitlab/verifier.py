"""The proof of origin that GitLab's deliveries carry."""

import base64
import hashlib
import hmac
import re
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from bot.domain.errors import BadSettings
from bot.forges.verifier import Headers, WebhookVerifier, check_lengths, no_secret

_WINDOW = 300  # seconds that the time of a signature may lie behind or ahead
_PREFIX = "whsec_"
_KEY_BYTES = range(24, 65)  # of a signing token, as Standard Webhooks has it; GitLab makes 32
_STANDARD = frozenset({b"webhook-id", b"webhook-timestamp", b"webhook-signature"})
_SECONDS = re.compile(rb"[0-9]{1,12}")


def gitlab_verifier(secrets: Sequence[str], signing_tokens: Sequence[str]) -> WebhookVerifier:
    """GitLab, where any of `signing_tokens` may have signed; only without one any of `secrets` will do.

    Raises BadSettings where both are empty, and on one that is not worth its name.
    """
    if not secrets and not signing_tokens:
        raise no_secret("[gitlab] signing_tokens and webhook_secrets are both")
    check_lengths("gitlab", secrets)
    plain = WebhookVerifier(
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
