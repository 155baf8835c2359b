"""Durations, sizes and points in time: their parsing, and their forms for people and programs."""

import pytest

from bot.text.units import (
    ago,
    brief_limit,
    compact,
    duration,
    human,
    iso,
    moment,
    parse_duration,
    parse_size,
    precise_duration,
    remaining,
    time_limit,
)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), (" 90s ", 90), ("45m", 2700), ("2H", 7200), ("1 d", 86_400), (1800, 1800)],
)
def test_a_duration_may_have_a_unit(text: str | int, seconds: int) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "0", "0m", "-1", "1.5h", "soon", "45q", "\u0663m", "1" * 10])
def test_an_invalid_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^must be a duration such as"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("seconds", "text"), [(8, "8s"), (90, "90s"), (600, "10m"), (3600, "1h"), (5400, "90m"), (172_800, "2d")]
)
def test_a_limit_is_written_as_in_an_option(seconds: int, text: str) -> None:
    assert brief_limit(seconds) == text
    assert parse_duration(text) == seconds


def test_a_unit_may_be_required() -> None:
    assert parse_duration("30s", needs_unit=True) == 30
    with pytest.raises(ValueError, match=r"^must be a duration such as"):
        parse_duration("30", needs_unit=True)


@pytest.mark.parametrize(
    ("text", "size"),
    [("1048576", 1 << 20), ("4096b", 4096), ("8k", 8 << 10), ("500m", 500 << 20), ("20G", 20 << 30)],
)
def test_a_size_may_have_a_unit(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "0", "0g", "-1", "1.5g", "20 gigabytes", "1t", "1" * 16])
def test_an_invalid_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^must be a size such as"):
        parse_size(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (119.4, "119 s"), (119.5, "2 min 0 s"), (179.9, "3 min 0 s"), (3725, "62 min 5 s")],
)
def test_a_duration_of_two_minutes_or_more_is_shown_in_minutes_and_seconds(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(("seconds", "text"), [(0.04, "0.0 s"), (9.94, "9.9 s"), (11.5, "12 s")])
def test_a_precise_duration_has_tenths_below_ten_seconds(seconds: float, text: str) -> None:
    assert precise_duration(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(90, "90 s"), (120, "2 minutes"), (150, "2.5 minutes"), (900, "15 minutes")]
)
def test_a_time_limit_is_shown_as_part_of_a_sentence(seconds: int, text: str) -> None:
    assert time_limit(seconds) == text


@pytest.mark.parametrize(
    ("size", "text"),
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
def test_a_size_is_shown_in_the_largest_unit_that_fits(size: int, text: str) -> None:
    assert human(size) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "now"),
        (29, "now"),
        (30, "1 min ago"),
        (3600, "60 min ago"),
        (5400, "2 h ago"),
        (35.9 * 3600, "36 h ago"),
        (36 * 3600, "2 days ago"),
        (400 * 86_400, "400 days ago"),
    ],
)
def test_the_time_since_a_moment_is_shown_in_one_unit(seconds: float, text: str) -> None:
    assert ago(seconds) == text
    assert remaining(seconds) == text.removesuffix(" ago")


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0"),
        (999, "999"),
        (1000, "1.00k"),
        (45_678, "45.7k"),
        (999_499, "999k"),
        (999_500, "1.00M"),
        (795_061_470, "795M"),
        (2_074_073_400, "2.07B"),
    ],
)
def test_a_compact_count_has_three_digits(number: int, text: str) -> None:
    assert compact(number) == text


def test_times_for_people_are_in_utc_and_to_the_minute() -> None:
    assert moment(1_782_000_059.9) == "2026-06-21 00:00 UTC"


def test_times_for_programs_are_in_utc_and_to_the_second() -> None:
    assert iso(1_782_000_059.9) == "2026-06-21T00:00:59Z"
