"""The proof of origin that GitHub's deliveries carry."""

import hashlib
import hmac
import re
from collections.abc import Sequence
from functools import partial

from bot.forges.verifier import Headers, WebhookVerifier, check_lengths, no_secret


def github_verifier(secrets: Sequence[str]) -> WebhookVerifier:
    """GitHub, where any of `secrets` may have signed. Raises BadSettings without one worth the name."""
    if not secrets:
        raise no_secret("[github] webhook_secrets is")
    check_lengths("github", secrets)
    return WebhookVerifier(
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
