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
_BREAK = r"(?:[\s>]|\\[nr]){0,4}"  # a line break, also in a quotation, or escaped as in JSON
_BREAKS = re.compile(r"[\s>\\nr]+")  # all characters that `_BREAK` allows
_ONE_LINE = 60  # characters that no encoder breaks into two lines
_SHORTEST = 8  # characters: a shorter "secret" would redact ordinary words

# A run's token is "fhrun_" and 64 hexadecimal digits. For each form that encoders give it: the constant part,
# then the class of the other characters, and their number. All runs share the pattern: one for each run would
# take 15 ms and up to 1 MiB, and `re` keeps 512 patterns.
_REVERSED = "_nurhf"
_RUN_TOKENS = {
    "fhrun_": ("[0-9a-f]", 64),
    "666872756e5f": (f"[36]{_BREAK}[0-9]", 64),
    "666872756E5F": (f"[36]{_BREAK}[0-9]", 64),
    "ZmhydW5f": ("[A-Za-z0-9]", 85),
    "ZocnVuX": ("[A-Za-z0-9]", 85),
    "maHJ1bl": ("[A-Za-z0-9]", 86),
}


def redact(text: str, secrets: Sequence[str]) -> str:
    """Redact these secrets, also in base64, hex and reversed, and every text in the shape of a token.

    The token of any run is redacted in all these forms, too. If joiners divide a secret, the whole text is
    returned without joiners.
    """
    redacted = _redact(text, secrets)
    bare = without_joiners(redacted)
    if bare == redacted:
        return redacted
    hidden = _redact(bare, secrets)
    return redacted if hidden == bare else hidden


def _redact(text: str, secrets: Sequence[str]) -> str:
    # All characters of which a line break can consist are removed from both sides, so no match is missed.
    joined = _BREAKS.sub("", text)
    if any(_joined(part) in joined for part in (*_RUN_TOKENS, _REVERSED)):
        text = _run_token_pattern().sub(HIDDEN, text)
    return _secret_pattern(_printed(joined, secrets)).sub(HIDDEN, text)


def _printed(joined: str, secrets: Sequence[str]) -> tuple[str, ...]:
    """Return the secrets of which the text may contain a form.

    Most texts contain none, and a pattern of all secrets takes long to compile.
    """
    return tuple(secret for secret in secrets if any(form in joined for form in _joined_forms(secret)))


def _joined(form: str) -> str:
    return _BREAKS.sub("", form)


@lru_cache(maxsize=256)
def _joined_forms(secret: str) -> frozenset[str]:
    return frozenset(map(_joined, _known_forms((secret,))))


@lru_cache(maxsize=16)
def _secret_pattern(secrets: tuple[str, ...]) -> re.Pattern[str]:
    known = [_spelled(form) for form in sorted(_known_forms(secrets), key=len, reverse=True)]
    return re.compile("|".join([*known, _TOKEN_SHAPES])) if known else _TOKENS


@lru_cache(maxsize=1)
def _run_token_pattern() -> re.Pattern[str]:
    """Return the pattern of the token of any run in any form, with line breaks."""
    digit, count = _RUN_TOKENS["fhrun_"]
    backwards = f"{digit}(?:{_BREAK}{digit}){{{count - 1}}}{_BREAK}{_BREAK.join(_REVERSED)}"
    forms = [
        f"{_BREAK.join(part)}(?:{_BREAK}{rest}){{{count}}}" for part, (rest, count) in _RUN_TOKENS.items()
    ]
    return re.compile("|".join([*forms, backwards]))


def _known_forms(secrets: tuple[str, ...]) -> set[str]:
    return {form for secret in secrets if len(secret) >= _SHORTEST for form in _forms(secret)}


def _spelled(form: str) -> str:
    """Return a pattern for a form of a secret that allows line breaks in it.

    Encoders break long lines: xxd after 60 characters, base64 after 64 or 76.
    """
    return (_BREAK if len(form) > _ONE_LINE else "").join(map(re.escape, form))


def _forms(secret: str) -> set[str]:
    raw = secret.encode()
    forms = {secret, secret[::-1], raw.hex(), raw.hex().upper()}
    for before in range(3):  # the base64 of a secret depends on its position in the encoded text
        encoded = base64.b64encode(b"\0" * before + raw).decode()
        # The first and last characters encode neighbours of the secret too.
        core = encoded[(0, 2, 3)[before] : len(encoded.rstrip("=")) - bool(encoded.endswith("="))]
        forms |= {core, core.replace("+", "-").replace("/", "_")}
    return forms
