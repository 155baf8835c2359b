"""A point in time, as people and programs read it."""

from bot.times import iso, moment


def test_people_are_told_in_utc_to_the_minute() -> None:
    assert moment(1_782_000_059.9) == "2026-06-21 00:00 UTC"


def test_programs_are_told_to_the_second() -> None:
    assert iso(1_782_000_059.9) == "2026-06-21T00:00:59Z"
