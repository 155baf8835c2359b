"""The end of a provider's rate limit, from the headers of its 429 response."""

import math
from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime

# https://platform.claude.com/docs/en/api/rate-limits: each limit has
# -remaining and -reset, a time in RFC 3339.
_ANTHROPIC = "anthropic-ratelimit-"
_LONGEST = 31 * 86400  # seconds; a longer time must have another meaning


def ends_at(headers: Mapping[str, str], now: float) -> float | None:
    """Return the end in seconds since the epoch; None if the headers have none, or an impossible one."""
    names = {name.lower(): value.strip() for name, value in headers.items()}
    end = _delay(names.get("retry-after", ""), now) or _resets(names)
    return end if end and now <= end <= now + _LONGEST else None


def _delay(text: str, now: float) -> float | None:
    seconds = _number(text)
    if seconds is not None:
        return now + seconds
    try:
        return parsedate_to_datetime(text).timestamp()
    except ValueError:
        return None


def _resets(names: Mapping[str, str]) -> float | None:
    """Return the latest end among the limits that are used up."""
    used_up = [
        _time(names.get(name.removesuffix("remaining") + "reset", ""))
        for name, value in names.items()
        if name.startswith(_ANTHROPIC) and name.endswith("-remaining") and _number(value) == 0
    ]
    used_up.append(_time(names.get(f"{_ANTHROPIC}unified-reset", "")))
    return max((each for each in used_up if each is not None), default=None)


def _time(text: str) -> float | None:
    seconds = _number(text)
    if seconds is not None:
        return seconds
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return None


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
