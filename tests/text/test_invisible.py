"""Invisible characters are removed, except those that belong to a word or an emoji."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.text.invisible import visible, without_joiners

TEXTS = st.text(st.sampled_from("a \u0645\u200b\u200c\u200d\u034f\u180b\ufe0f\U000e0100\n\u202e\u2764"))


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07text", "text"),
        ("\x1b]8;;http://evil\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1b]never ended\nstill here", "never ended\nstill here"),
        ("\x9b31mred", "red"),
        ("a\x00b\x07c\x08d\x7fe\x85f", "abcdef"),
        ("\u202egnp.exe\u2066x\u2069", "gnp.exex"),
        ("zero\u200bwidth\ufeff\u2060\u00ad", "zerowidth"),
        ("tag\U000e0041", "tag"),
        ("\ud800lone", "lone"),
        ("one\r\ntwo\rthree", "one\ntwo\nthree"),
        ("tab\tstays, so do caf\u00e9 and \u65e5\u672c", "tab\tstays, so do caf\u00e9 and \u65e5\u672c"),
    ],
)
def test_invisible_and_control_characters_are_removed(raw: str, clean: str) -> None:
    assert visible(raw) == clean


@pytest.mark.parametrize(
    "text",
    [
        "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645.md",  # Persian
        "\u0915\u094d\u200d\u0937 \u0915\u094d\u200c\u0937",  # Devanagari
        "\u1820\u180b\u1828\u180e\u1820",  # Mongolian
        "\u2764\ufe0f\u200d\U0001f525",  # a burning heart
        "\U0001f468\u200d\U0001f469\u200d\U0001f467",  # a family
        "1\ufe0f\u20e3",  # a keycap
        "\u845b\U000e0100\u57ce",  # a form of a Japanese character
        "\u05d0\u034f\u05d1",  # Hebrew
        "Auf\u200clage",  # German without a ligature
    ],
)
def test_joiners_and_selectors_of_words_and_emoji_stay(text: str) -> None:
    assert visible(text) == text
    assert without_joiners(text) != text


@pytest.mark.parametrize("link", ["\u200c", "\u200d", "\u034f", "\u180e"])
@pytest.mark.parametrize("stray", ["{}", "a{}", "{}a", "a{} b", "a {}b", "a{}\nb", "a{0}{0}b", "a\u200d{}b"])
def test_joiners_that_join_nothing_are_removed(stray: str, link: str) -> None:
    text = stray.format(link)
    assert visible(text) == without_joiners(text)


@pytest.mark.parametrize("link", ["\ufe0f", "\ufe00", "\u180b", "\u180f", "\U000e01ef"])
@pytest.mark.parametrize(
    ("text", "clean"), [("{}", ""), ("{}a", "a"), ("a {}b", "a b"), ("a{0}{0}{0}b", "a{0}b")]
)
def test_selectors_that_select_nothing_are_removed(text: str, clean: str, link: str) -> None:
    assert visible(text.format(link)) == clean.format(link)


@given(TEXTS)
def test_visible_text_stays_as_it_is(text: str) -> None:
    assert visible(visible(text)) == visible(text)


@given(TEXTS)
def test_only_invisible_characters_differ(text: str) -> None:
    assert without_joiners(visible(text)) == visible(without_joiners(text))
