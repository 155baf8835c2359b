"""Interruptible waits.

The caller passes a check: a function that returns while the wait may continue, and raises when it must
end. The waiting function calls it four times a second, so that a cancel, a stop of the worker and a lost
lease take effect at once in every phase.
"""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
Check = Callable[[], None]

INTERVAL = 0.25  # seconds between two calls of a check


def uninterrupted() -> None:
    """Return at once: the check of a wait that nothing ends early."""


class Paced:
    """A check that may be called at any rate, and calls `check` every `INTERVAL` seconds at most."""

    def __init__(self, check: Check) -> None:
        self._check = check
        self._next = 0.0

    def __call__(self) -> None:
        now = time.monotonic()
        if now >= self._next:
            self._next = now + INTERVAL
            self._check()


def interruptible(call: Callable[[], T], check: Check) -> T:
    """Return the result of `call`, or raise its error; call `check` until then.

    If `check` raises, the call is abandoned: it continues in its own thread, and its result is lost. So
    pass only calls that are harmless then, such as reads, or the removal of a container.
    """
    results: list[T] = []
    errors: list[BaseException] = []
    done = threading.Event()

    def work() -> None:
        try:
            results.append(call())
        except BaseException as error:  # noqa: BLE001 - raised in the caller's thread
            errors.append(error)
        finally:
            done.set()

    # A daemon: an abandoned call must not keep the process from ending.
    threading.Thread(target=work, name="interruptible", daemon=True).start()
    while not done.wait(INTERVAL):
        check()
    if errors:
        raise errors[0]
    return results[0]


def within(seconds: float) -> Check:
    """Return a check that raises TimeoutError once so many seconds have passed from now."""
    end = time.monotonic() + seconds

    def check() -> None:
        if time.monotonic() >= end:
            raise TimeoutError(f"This took longer than {seconds:g} seconds.")

    return check
