"""Secrets are redacted in every form that a program may print, and ordinary words are not redacted."""

import base64
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.text.redaction import HIDDEN, _forms, _secret_pattern, redact

TOKEN = "s3cr3t+token/of~the_bot"
BREAKS = ["", "\n", "\r\n", "\n> ", "\\n", "\\r\\n", " ", "x", "\\"]
SECRETS = st.text("nr>\\ aZ09+/é", min_size=1, max_size=70)


@pytest.mark.parametrize("padding", ["", "a", "ab", "x-access-token:"])
def test_a_secret_is_redacted_at_any_position_in_base64(padding: str) -> None:
    encoded = base64.b64encode(f"{padding}{TOKEN}{padding}".encode()).decode()

    text = redact(f"Authorization: Basic {encoded}", [TOKEN])

    remainder = text.removeprefix("Authorization: Basic ").replace("[redacted]", "")
    assert "[redacted]" in text
    assert len(remainder) <= len(base64.b64encode(f"{padding}..{padding}".encode())) + 4


@pytest.mark.parametrize(
    "form", [TOKEN, TOKEN[::-1], TOKEN.encode().hex(), TOKEN.encode().hex().upper()], ids=str
)
def test_a_secret_is_redacted_in_plain_text_reversed_and_in_hex(form: str) -> None:
    assert redact(f"before {form} after", [TOKEN]) == "before [redacted] after"


@pytest.mark.parametrize("end", ["\n", "\r\n", "\n> ", "\\n"])
def test_a_long_secret_is_redacted_in_encoded_text_with_line_breaks(end: str) -> None:
    secret = "".join(f"{number:04}" for number in range(25))
    encoded = base64.encodebytes(f"key={secret}".encode()).decode().strip().replace("\n", end)
    dumped = end.join(re.findall(".{1,60}", secret.encode().hex()))

    assert re.fullmatch(r"\w{6}\[redacted\]\w{0,2}=*", redact(encoded, [secret]))
    assert redact(dumped, [secret]) == "[redacted]"


@pytest.mark.parametrize(
    "token",
    [
        "ghp_" + "a1B2" * 9,
        "ghs_" + "a1B2" * 9,
        "github_pat_" + "11ABCDEFG0" * 8,
        "glpat-" + "a1B2_-c3" * 3,
        "glrt-" + "a1B2_-c3" * 3,
        "sk-ant-api03-" + "a1B2_-c3" * 10,
        "AIza" + "a1B2c" * 7,
        "fhrun_" + "0f" * 32,
        "whsec_" + base64.b64encode(b"k" * 24).decode(),
    ],
)
def test_a_text_with_the_pattern_of_a_token_is_redacted(token: str) -> None:
    assert redact(f"token={token};", []) == "token=[redacted];"


def test_short_and_empty_secrets_are_not_redacted() -> None:
    assert redact("a plain sentence", ["", "a", "plain"]) == "a plain sentence"
    assert redact("task-with-a-long-hyphenated-name", []) == "task-with-a-long-hyphenated-name"


@pytest.mark.parametrize("name", ["global-exception-handler", "triangles-and-other-shapes"])
def test_a_word_that_contains_the_beginning_of_a_gitlab_token_is_not_redacted(name: str) -> None:
    assert redact(name, []) == name


@given(
    st.text("0123456789abcdef", min_size=64, max_size=64),
    st.integers(0, 20),
    st.sampled_from(["", "\n", "\r\n", "\n> ", "\\n"]),
    st.sampled_from([60, 64, 76, 1000]),
    st.sampled_from(["", "x-access-token:", "\u00e9\n"]),
)
def test_the_token_of_a_run_that_nobody_named_is_redacted_in_every_form(
    digits: str, chosen: int, end: str, width: int, around: str
) -> None:
    forms = sorted(_forms(f"fhrun_{digits}"))
    form = forms[chosen % len(forms)]
    printed = end.join(re.findall(f".{{1,{width}}}", form))

    assert redact(f"{around}{printed}.{around}", [TOKEN]) == f"{around}{HIDDEN}.{around}"


@pytest.mark.parametrize("text", ["fhrun_" + "0f" * 31, "see ZmhydW5f in the log", "0f" * 40, "_nurhf"])
def test_text_that_only_begins_like_the_token_of_a_run_is_not_redacted(text: str) -> None:
    assert redact(text, []) == text


@given(
    st.lists(SECRETS, max_size=3).map(tuple),
    st.lists(st.integers(0, 200), max_size=3),
    st.lists(st.sampled_from(BREAKS), min_size=1, max_size=4),
    st.text("nr>\\ \naZ09", max_size=20),
)
def test_skipping_a_pattern_never_changes_the_redacted_text(
    secrets: tuple[str, ...], chosen: list[int], breaks: list[str], around: str
) -> None:
    """The texts contain forms of the secrets, with line breaks at possible and impossible places."""
    forms = sorted({form for secret in secrets for form in _forms(secret)}) or ["nothing"]
    printed = [
        "".join(character + breaks[place % len(breaks)] for place, character in enumerate(form))
        for form in (forms[number % len(forms)] for number in chosen)
    ]
    text = around.join(["", *printed, ""])

    assert redact(text, secrets) == _secret_pattern(secrets).sub(HIDDEN, text)


def test_a_secret_divided_by_joiners_is_redacted_and_a_text_without_a_secret_keeps_its_joiners() -> None:
    divided = "\u200d".join(TOKEN)

    assert redact(f"\u0645\u200c\u062e {divided}", [TOKEN]) == "\u0645\u062e [redacted]"
    assert redact("ghp\ufe0f_0123456789abcdefghij", []) == "[redacted]"
    assert redact("\u0645\u200c\u062e", [TOKEN]) == "\u0645\u200c\u062e"
