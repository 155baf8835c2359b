"""Waiting for a ledger that does not answer during the start."""

import pytest

from bot.app import ledger_wait
from bot.app.ledger_wait import when_ledger_answers
from bot.domain.errors import LedgerUnavailable


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger_wait, "_PAUSE", 0.0)


def test_a_step_is_repeated_until_the_ledger_answers() -> None:
    checks: list[int] = []

    def step() -> str:
        if len(checks) < 3:
            raise LedgerUnavailable("OperationalError: gone")
        return "here"

    assert when_ledger_answers(step, lambda: checks.append(1)) == "here"
    assert len(checks) == 3


def test_the_wait_ends_with_the_error_of_the_check() -> None:
    def step() -> None:
        raise LedgerUnavailable("OperationalError: gone")

    def stopped() -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        when_ledger_answers(step, stopped)


def test_other_errors_are_raised_at_once() -> None:
    def step() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        when_ledger_answers(step, lambda: pytest.fail("it waited"))
