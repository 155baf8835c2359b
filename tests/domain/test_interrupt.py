"""A wait that a check can end early, and the interval of the checks."""

import threading
import time

import pytest

from bot.domain.interrupt import INTERVAL, Paced, interruptible, uninterrupted, within


def test_the_result_or_the_error_of_a_call_is_passed_to_the_caller() -> None:
    assert interruptible(lambda: 7, uninterrupted) == 7
    with pytest.raises(ZeroDivisionError):
        interruptible(lambda: 1 // 0, uninterrupted)


def test_a_call_that_hangs_is_abandoned_once_the_check_raises() -> None:
    freed, began = threading.Event(), time.monotonic()

    with pytest.raises(TimeoutError, match="took longer"):
        interruptible(lambda: freed.wait(60), within(0.5))

    assert time.monotonic() - began < 30
    freed.set()


def test_a_check_is_called_repeatedly_during_a_long_call_but_not_faster_than_the_interval() -> None:
    calls, enough, began = 0, threading.Event(), time.monotonic()

    def check() -> None:
        nonlocal calls
        calls += 1
        if calls == 4:
            enough.set()

    interruptible(lambda: enough.wait(60), check)

    assert 4 * INTERVAL <= time.monotonic() - began < 30  # a busy machine may be slow
    assert INTERVAL <= 0.5


def test_a_paced_check_is_called_at_once_and_then_at_most_once_per_interval() -> None:
    calls: list[float] = []
    paced = Paced(lambda: calls.append(time.monotonic()))

    paced()
    assert len(calls) == 1
    while len(calls) < 4:
        paced()

    assert calls[-1] - calls[0] >= 2.9 * INTERVAL  # the clock is read once more in the check
