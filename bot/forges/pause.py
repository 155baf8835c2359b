"""For how long a forge asks to be left alone, read from its headers."""

import time

# Seconds. No limit of either forge lasts longer than an hour, and a wrong header must not end a task's words.
_LONGEST = 86400.0


def seconds(header: str) -> float | None:
    """Read a Retry-After, a day at most; None where it names no number of seconds."""
    return min(float(header), _LONGEST) if header.isdecimal() else None


def until(header: str) -> float | None:
    """Read the time at which a limit is reset: the seconds until then, 1 to a day. None where it is none."""
    return max(1.0, min(float(header) - time.time(), _LONGEST)) if header.isdecimal() else None
