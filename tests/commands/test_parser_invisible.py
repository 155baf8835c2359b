"""Invisible characters before a command do not hide it, except those with which the bot makes text inert."""

from hypothesis import assume, given
from hypothesis import strategies as st

from bot.commands.parser import RawCommand, read
from bot.text.sanitize import inert

UNSEEN = st.text(
    alphabet="\u00a0\ufeff\u2060\u200c\u200d\u200e\u200f\u202f\u2007\u3000\u00ad\u2066 ", max_size=6
)


def command(body: str) -> RawCommand | None:
    return read(body, bot_name="forge-bot", known=("cancel",))


@given(before=UNSEEN, line=st.sampled_from(["/cancel", "@forge-bot cancel", "/forgehand /cancel"]))
def test_no_invisible_character_before_a_command_hides_it(before: str, line: str) -> None:
    assume(not before.removeprefix("\ufeff").startswith("    "))  # four spaces make code

    for place in ("", "Hello\n", "Hello\n\n"):
        assert command(f"{place}{before}{line}\nnow") == RawCommand("cancel", "\nnow")


@given(before=UNSEEN, line=st.sampled_from(["/cancel", "/forgehand cancel"]))
def test_text_that_was_made_inert_is_not_a_command(before: str, line: str) -> None:
    assert command(inert(f"Hello\n\n{before}{line}")) is None
