"""The pause that a forge asks for, read from its headers."""

import time

# Seconds. No limit of either forge lasts longer than an hour; a wrong header must not silence a task.
_LONGEST = 86400.0


def seconds(header: str) -> float | None:
    """Read the seconds of a Retry-After, a day at most; None if it is not a number."""
    return min(float(header), _LONGEST) if header.isdecimal() else None


def until(header: str) -> float | None:
    """Return the seconds until a limit is reset, 1 to a day, from its time; None if that is not a number."""
    return max(1.0, min(float(header) - time.time(), _LONGEST)) if header.isdecimal() else None
