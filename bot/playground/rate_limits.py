"""Requests that a token may still make this hour, counted over both forges."""

import time
from dataclasses import dataclass, field

PER_HOUR = {True: 5000, False: 60}  # with and without a login


@dataclass(slots=True)
class Limits:
    """Requests in the running window by login. They are kept in memory: a restart begins a new hour."""

    windows: dict[str, tuple[int, float]] = field(default_factory=dict)  # used, end (seconds since the epoch)

    def count(self, login: str) -> tuple[int, int, float]:
        """Count one request. Return the limit, the requests before this one, and the end of the window."""
        limit = PER_HOUR[bool(login)]
        used, end = self.windows.get(login, (0, 0.0))
        if end <= time.time():
            used, end = 0, time.time() + 3600
        self.windows[login] = (min(used + 1, limit), end)
        return limit, used, end

    def exhaust(self, login: str, seconds: float) -> None:
        """Leave no requests to `login` for `seconds`."""
        self.windows[login] = (PER_HOUR[bool(login)], time.time() + seconds)
