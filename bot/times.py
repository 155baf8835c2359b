"""Points in time, as people read them: one form wherever the bot speaks, and always UTC."""

from datetime import UTC, datetime


def moment(at: float) -> str:
    """`at` is in seconds since the epoch."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")
