"""Waits for conditions, which fail when they take too long."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
PATIENCE = 60.0  # seconds until a wait fails


def eventually(what: Callable[[], T | None], *, seconds: float = PATIENCE, every: float = 0.05) -> T:
    """Return the first answer that is neither None nor false. Fail if there is none in time."""
    end = time.monotonic() + seconds
    while True:
        answer = what()
        if answer:
            return answer
        assert time.monotonic() < end, f"not within {seconds:g} s"
        time.sleep(every)
