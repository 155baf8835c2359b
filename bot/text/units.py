"""Durations, sizes and points in time: one form to read and one to print each of them; times are in UTC."""

import re
from datetime import UTC, datetime

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_POWERS_OF_TWO = {"b": 0, "k": 10, "m": 20, "g": 30}


def parse_duration(text: str | int, *, needs_unit: bool = False) -> int:
    """Return the seconds of a duration such as "90s", "45m", "2h" or "1d".

    A number without a unit is in seconds, unless `needs_unit`. Zero is not a duration.
    Raises ValueError with the end of a sentence whose subject is the setting or the option.
    """
    match = re.fullmatch(r"\s*([0-9]{1,9})\s*([smhd]?)\s*", str(text), re.IGNORECASE)
    if match is None or int(match[1]) == 0 or (needs_unit and not match[2]):
        raise ValueError('must be a duration such as "45m" or "2h"')
    return int(match[1]) * _SECONDS[match[2].lower() or "s"]


def parse_size(text: str | int) -> int:
    """Return the bytes of a size such as "1048576", "500m" or "20g". Zero is not a size.

    Raises ValueError with the end of a sentence whose subject is the setting.
    """
    match = re.fullmatch(r"\s*([0-9]{1,15})\s*([bkmg]?)\s*", str(text), re.IGNORECASE)
    if match is None or int(match[1]) == 0:
        raise ValueError('must be a size such as "500m" or "20g"')
    return int(match[1]) << _POWERS_OF_TWO[match[2].lower() or "b"]


def human(size: int) -> str:
    """Format a number of bytes in the largest unit that it reaches: "9.5 GiB", "2 MiB", "312 B"."""
    for unit, shift in (("GiB", 30), ("MiB", 20), ("KiB", 10)):
        if size >= 1 << shift:
            amount = size / (1 << shift)
            return f"{amount:,.{amount < 10:d}f}".removesuffix(".0") + f" {unit}"
    return f"{size} B"


def compact(number: int) -> str:
    """Format a count in three digits: "312", "45.7k", "795M", "2.07B"."""
    for unit, size in (("B", 10**9), ("M", 10**6), ("k", 10**3)):
        if number >= size * 0.9995:
            amount = number / size
            digits = 2 if amount < 9.995 else 1 if amount < 99.95 else 0
            return f"{amount:.{digits}f}{unit}"
    return str(number)


def duration(seconds: float) -> str:
    """Format a measured duration to the second: "119 s", "62 min 5 s"."""
    whole = round(seconds)
    return f"{whole} s" if whole < 120 else f"{whole // 60} min {whole % 60} s"


def precise_duration(seconds: float) -> str:
    """Format a measured duration as `duration` does, but below ten seconds with tenths: "9.9 s"."""
    return f"{seconds:.1f} s" if seconds < 10 else duration(seconds)


def time_limit(seconds: int) -> str:
    """Format a configured limit for a sentence: "90 s", "15 minutes", "2.5 minutes"."""
    return f"{seconds / 60:g} minutes" if seconds >= 120 else f"{seconds} s"


def brief_limit(seconds: int) -> str:
    """Format a configured limit as it is written in an option: "90s", "10m", "2h", "1d"."""
    unit = next(unit for unit in ("d", "h", "m", "s") if seconds % _SECONDS[unit] == 0)
    return f"{seconds // _SECONDS[unit]}{unit}"


def moment(at: float) -> str:
    """Format a time for people, to the minute; `at` is in seconds since the epoch."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")


def ago(seconds: float) -> str:
    """Format the time since a past moment for a table: "now", "5 min ago", "3 h ago", "12 days ago"."""
    if seconds < 30:
        return "now"
    for unit, size, most in (("min", 60, 90), ("h", 3600, 36)):
        if seconds < size * most:
            return f"{max(1, round(seconds / size))} {unit} ago"
    return f"{round(seconds / 86400)} days ago"


def remaining(seconds: float) -> str:
    """Format the time until a future moment for a table: "5 min", "3 h", "12 days"; "now" if it is past."""
    return ago(seconds).removesuffix(" ago") if seconds >= 30 else "now"


def day(at: float) -> str:
    """Format a date for people: "7 Dec"; `at` is in seconds since the epoch."""
    return f"{datetime.fromtimestamp(at, UTC):%-d %b}"


def iso(at: float) -> str:
    """Format a time for programs, to the second, as in ISO 8601; `at` is in seconds since the epoch."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
