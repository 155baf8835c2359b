"""Points in time, as people and programs read them: one form for each wherever the bot speaks, always UTC."""

from datetime import UTC, datetime


def moment(at: float) -> str:
    """`at` is in seconds since the epoch."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")


def iso(at: float) -> str:
    """The same to the second, as ISO 8601 has it."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
