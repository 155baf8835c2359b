"""The verification of GitHub's deliveries."""

import hashlib
import hmac
import re
from collections.abc import Sequence
from functools import partial

from bot.forges.verifier import Headers, WebhookVerifier, check_lengths, no_secret


def github_verifier(secrets: Sequence[str]) -> WebhookVerifier:
    """Return the verifier for deliveries signed with any of `secrets`. Raises BadSettings if one is weak."""
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
        missing="X-Hub-Signature-256 is missing: set a secret in the webhook's settings",
        wrong="the signature does not match: set the same secret on both sides",
    )


def _signed_by_github(keys: Sequence[bytes], headers: Headers, body: bytes) -> bool:
    """Report whether one of the keys gives GitHub's HMAC-SHA256 of the raw body.

    Form: `sha256=` and 64 hex digits, as https://docs.github.com/webhooks describes under "Validating
    webhook deliveries". The SHA-1 header beside it is ignored.
    """
    signature = headers[b"x-hub-signature-256"]
    is_valid = False
    for key in keys:  # always all of them: the time must not reveal which one it was
        expected = b"sha256=" + hmac.digest(key, body, hashlib.sha256).hex().encode()
        is_valid |= hmac.compare_digest(expected, signature)
    return is_valid
