"""How many requests a token may still make this hour, counted for both forges alike."""

import time
from dataclasses import dataclass, field

from bot.playground.rules import Refused

PER_HOUR = {True: 5000, False: 60}  # with and without a login


@dataclass(slots=True)
class Limits:
    """Counts of the running window by login. In memory only: a restart is a fresh hour."""

    windows: dict[str, tuple[int, float]] = field(default_factory=dict)  # used, end (seconds since the epoch)

    def count(self, login: str) -> tuple[int, int, float]:
        """Count one request: how many there may be, how many were before it, and when the window ends."""
        limit = PER_HOUR[bool(login)]
        used, end = self.windows.get(login, (0, 0.0))
        if end <= time.time():
            used, end = 0, time.time() + 3600
        self.windows[login] = (min(used + 1, limit), end)
        return limit, used, end

    def spend(self, login: str) -> dict[str, str]:
        """Count one request; GitHub's headers of its answer. Raises Refused when none is left."""
        limit, used, end = self.count(login)
        headers = {
            "x-ratelimit-limit": str(limit),
            "x-ratelimit-remaining": str(max(0, limit - used - 1)),
            "x-ratelimit-used": str(min(used + 1, limit)),
            "x-ratelimit-reset": str(int(end) + 1),
            "x-ratelimit-resource": "core",
        }
        if login and used >= limit:
            raise Refused(403, f"API rate limit exceeded for user {login}.", headers=headers)
        return headers

    def exhaust(self, login: str, seconds: float) -> None:
        """Leave nothing for `login` until the window ends in `seconds`."""
        self.windows[login] = (PER_HOUR[bool(login)], time.time() + seconds)
