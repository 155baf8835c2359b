"""Redaction of secrets.

The shapes of tokens stay here, also those of forges. They are redacted whether the forge is configured or
not, because an agent may print any token that it finds.
"""

import base64
import re
from collections.abc import Sequence
from functools import lru_cache

from bot.text.invisible import without_joiners

HIDDEN = "[redacted]"
_TOKEN_SHAPES = (
    r"gh[opsur]_[A-Za-z0-9_]{16,}"
    r"|github_pat_[A-Za-z0-9_]{16,}"
    r"|gl(?:pat|oas|dt|rtr?|cbt|ptt|ft|imt|agent|wt|soat|ffct)-[A-Za-z0-9_.-]{16,}"
    r"|whsec_[A-Za-z0-9+/=_-]{16,}"
    r"|(?<![A-Za-z0-9])sk-(?:(?:ant|proj|svcacct)-[A-Za-z0-9_-]{16,}|[A-Za-z0-9]{32,})"  # Anthropic, OpenAI
    r"|AIza[A-Za-z0-9_-]{35}"  # Google
    r"|fhrun_[0-9a-f]{64}"  # a run's token for the gateway
)
_TOKENS = re.compile(_TOKEN_SHAPES)
_BREAKS = re.compile(r"[\s>\\nr]+")  # all characters that `_spelled` allows between two others
_ONE_LINE = 60  # characters that no encoder breaks into two lines
_SHORTEST = 8  # characters: a shorter "secret" would redact ordinary words


def redact(text: str, secrets: Sequence[str]) -> str:
    """Redact these secrets, also in base64, hex and reversed, and every text in the shape of a token.

    If joiners divide a secret, the whole text is returned without joiners.
    """
    known = tuple(secrets)
    redacted = _redact(text, known)
    bare = without_joiners(redacted)
    if bare == redacted:
        return redacted
    hidden = _redact(bare, known)
    return redacted if hidden == bare else hidden


def _redact(text: str, secrets: tuple[str, ...]) -> str:
    pattern = _secret_pattern(secrets) if _may_contain(text, secrets) else _TOKENS
    return pattern.sub(HIDDEN, text)


def _may_contain(text: str, secrets: tuple[str, ...]) -> bool:
    """Report whether the text may contain a form of a secret.

    Most texts contain none, and each run has a secret of its own, whose pattern takes 15 ms to compile. All
    characters of which a line break can consist are removed from both sides, so no match of the pattern is
    missed.
    """
    joined = _BREAKS.sub("", text)
    return any(form in joined for form in _joined_forms(secrets))


@lru_cache(maxsize=16)
def _joined_forms(secrets: tuple[str, ...]) -> frozenset[str]:
    return frozenset(_BREAKS.sub("", form) for form in _known_forms(secrets))


@lru_cache(maxsize=16)
def _secret_pattern(secrets: tuple[str, ...]) -> re.Pattern[str]:
    known = [_spelled(form) for form in sorted(_known_forms(secrets), key=len, reverse=True)]
    return re.compile("|".join([*known, _TOKEN_SHAPES]))


def _known_forms(secrets: tuple[str, ...]) -> set[str]:
    return {form for secret in secrets if len(secret) >= _SHORTEST for form in _forms(secret)}


def _spelled(form: str) -> str:
    """Return a pattern for a form of a secret that allows line breaks in it.

    Encoders break long lines: xxd after 60 characters, base64 after 64 or 76. The breaks may be in a
    quotation, or escaped as in JSON.
    """
    return (r"(?:[\s>]|\\[nr]){0,4}" if len(form) > _ONE_LINE else "").join(map(re.escape, form))


def _forms(secret: str) -> set[str]:
    raw = secret.encode()
    forms = {secret, secret[::-1], raw.hex(), raw.hex().upper()}
    for before in range(3):  # the base64 of a secret depends on its position in the encoded text
        encoded = base64.b64encode(b"\0" * before + raw).decode()
        # The first and last characters encode neighbours of the secret too.
        core = encoded[(0, 2, 3)[before] : len(encoded.rstrip("=")) - bool(encoded.endswith("="))]
        forms |= {core, core.replace("+", "-").replace("/", "_")}
    return forms
