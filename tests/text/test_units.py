"""Sizes and points in time, as people and programs read them."""

import pytest

from bot.text.units import human, iso, moment


@pytest.mark.parametrize(
    ("size", "said"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1 KiB"),
        (10 << 10, "10 KiB"),
        (3 << 19, "1.5 MiB"),
        (512 << 20, "512 MiB"),
        (19 << 29, "9.5 GiB"),
        (2048 << 30, "2,048 GiB"),
    ],
)
def test_a_size_is_told_in_the_largest_unit_it_has_one_of(size: int, said: str) -> None:
    assert human(size) == said


def test_people_are_told_in_utc_to_the_minute() -> None:
    assert moment(1_782_000_059.9) == "2026-06-21 00:00 UTC"


def test_programs_are_told_to_the_second() -> None:
    assert iso(1_782_000_059.9) == "2026-06-21T00:00:59Z"
