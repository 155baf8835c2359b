"""Sizes and points in time, each in one form wherever the bot speaks; times are always UTC."""

from datetime import UTC, datetime


def human(size: int) -> str:
    """In the largest unit that it has one of: "9.5 GiB", "2 MiB", "312 B"."""
    for unit, shift in (("GiB", 30), ("MiB", 20), ("KiB", 10)):
        if size >= 1 << shift:
            amount = size / (1 << shift)
            return f"{amount:,.{amount < 10:d}f}".removesuffix(".0") + f" {unit}"
    return f"{size} B"


def moment(at: float) -> str:
    """`at` is in seconds since the epoch."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")


def iso(at: float) -> str:
    """The same to the second, as ISO 8601 has it."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
