"""The verification of GitLab's deliveries."""

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

_WINDOW = 300  # seconds by which the time of a signature may be in the past or in the future
_PREFIX = "whsec_"
_KEY_BYTES = range(24, 65)  # of a signing token, as in Standard Webhooks; GitLab makes 32
_STANDARD = frozenset({b"webhook-id", b"webhook-timestamp", b"webhook-signature"})
_SECONDS = re.compile(rb"[0-9]{1,12}")


def gitlab_verifier(secrets: Sequence[str], signing_tokens: Sequence[str]) -> WebhookVerifier:
    """Return the verifier for deliveries signed with any of `signing_tokens`.

    Only if there is no signing token, deliveries with any of `secrets` are accepted. Raises BadSettings if
    both are empty, or if one is weak or invalid.
    """
    if not secrets and not signing_tokens:
        raise no_secret("[gitlab] signing_tokens and webhook_secrets are both")
    check_lengths("gitlab", secrets)
    plain = WebhookVerifier(
        forge="gitlab",
        event=b"x-gitlab-event",
        event_form=re.compile(rb"[A-Za-z0-9_-][A-Za-z0-9_ -]{0,63}"),
        ids=(b"idempotency-key", b"webhook-id"),
        id_of_body=True,  # old versions send neither header
        proof=frozenset({b"x-gitlab-token"}),
        once=frozenset({b"idempotency-key", b"x-gitlab-event", b"x-gitlab-token"}) | _STANDARD,
        authentic=partial(_knows, [hashlib.sha256(secret.encode()).digest() for secret in secrets]),
        missing="X-Gitlab-Token is missing: set a secret token in the webhook's settings",
        wrong="X-Gitlab-Token does not match: set the same secret on both sides",
    )
    if not signing_tokens:
        return plain
    return replace(
        plain,
        # Idempotency-Key has the same value but is not signed: a replay could change it.
        ids=(b"webhook-id",),
        proof=_STANDARD,
        authentic=partial(_signed_as_standard, [_key(token) for token in signing_tokens]),
        missing="the delivery is not signed, and a secret token is not enough here: set the signing token "
        "in the webhook's settings",
        wrong="the signature does not match, or its time is more than five minutes off: set the same signing "
        "token on both sides, and check both clocks",
    )


def _signed_as_standard(keys: Sequence[bytes], headers: Headers, body: bytes) -> bool:
    """Report whether one of the keys gives one of the signatures, and the time is within five minutes.

    Form: https://www.standardwebhooks.com, symmetric: `v1,` and base64; several are separated by spaces.
    """
    at = headers[b"webhook-timestamp"]
    if not _SECONDS.fullmatch(at) or abs(time.time() - int(at)) > _WINDOW:
        return False
    signed = b".".join((headers[b"webhook-id"], at, body))
    is_valid = False
    for key in keys:
        expected = b"v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256))
        for signature in headers[b"webhook-signature"].split():
            is_valid |= hmac.compare_digest(expected, signature)
    return is_valid


def _knows(digests: Sequence[bytes], headers: Headers, _body: bytes) -> bool:
    """Report whether the token is one of ours. Digests are compared, to hide the length of the tokens."""
    received = hashlib.sha256(headers[b"x-gitlab-token"]).digest()
    is_valid = False
    for digest in digests:
        is_valid |= hmac.compare_digest(digest, received)
    return is_valid


def _key(token: str) -> bytes:
    """Decode a signing token. Raises BadSettings, whose message does not contain the token."""
    prefix, encoded = token[: len(_PREFIX)], token[len(_PREFIX) :]
    try:
        key = base64.b64decode(encoded, validate=True) if prefix == _PREFIX else b""
    except ValueError:
        key = b""
    if len(key) not in _KEY_BYTES:
        raise BadSettings(
            f"[gitlab] signing_tokens has a token that is not `{_PREFIX}` and the base64 of "
            f"{_KEY_BYTES[0]} to {_KEY_BYTES[-1]} bytes. Copy the whole token from the webhook's "
            "settings, where GitLab shows it once. A secret token of your own belongs in webhook_secrets."
        )
    return key
