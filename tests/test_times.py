"""A point in time, as people read it."""

from bot.times import moment


def test_it_is_told_in_utc_to_the_minute() -> None:
    assert moment(1_782_000_059.9) == "2026-06-21 00:00 UTC"
