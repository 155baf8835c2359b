"""A wait that is ended early: what it leaves behind, and how often it asks."""

import threading
import time

import pytest

from bot.domain.interrupt import INTERVAL, Paced, interruptible, uninterrupted, within


def test_what_a_call_returns_or_raises_is_the_callers() -> None:
    assert interruptible(lambda: 7, uninterrupted) == 7
    with pytest.raises(ZeroDivisionError):
        interruptible(lambda: 1 // 0, uninterrupted)


def test_a_call_that_hangs_is_abandoned_once_the_check_raises() -> None:
    freed, began = threading.Event(), time.monotonic()

    with pytest.raises(TimeoutError, match="took longer"):
        interruptible(lambda: freed.wait(60), within(0.5))

    assert time.monotonic() - began < 10
    freed.set()


def test_a_check_is_called_at_least_twice_a_second_while_a_call_takes_its_time() -> None:
    calls: list[float] = []

    interruptible(lambda: time.sleep(2), lambda: calls.append(time.monotonic()))

    assert len(calls) >= 4


def test_a_paced_check_is_called_at_once_and_then_now_and_then() -> None:
    calls: list[None] = []
    paced, end = Paced(lambda: calls.append(None)), time.monotonic() + 3 * INTERVAL

    paced()
    assert len(calls) == 1
    while time.monotonic() < end:
        paced()

    assert 2 <= len(calls) <= 5
