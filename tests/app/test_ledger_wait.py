"""Waiting for a ledger that does not answer during the start."""

import pytest

from bot.app import ledger_wait
from bot.app.ledger_wait import opened_ledger, when_ledger_answers
from bot.domain.errors import BadSettings, LedgerUnavailable
from bot.store.ledger import Ledger, open_ledger


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


def test_without_a_check_the_wait_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger_wait, "_PATIENCE", 0.05)

    def step() -> None:
        raise LedgerUnavailable("OperationalError: gone")

    with pytest.raises(BadSettings, match=r"has not answered for 0\.05 seconds"):
        when_ledger_answers(step)


def test_a_postgresql_that_restarts_while_the_ledger_is_opened_is_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """First it closes the connection, and then there is nobody on its port for a while."""
    url = "postgresql://127.0.0.1:1/nowhere"
    with pytest.raises(BadSettings):
        opened_ledger(url)

    answers = iter([LedgerUnavailable("OperationalError: closed")])

    def closes(address: str, *, was_there: bool) -> Ledger:
        if answer := next(answers, None):
            raise answer
        return open_ledger(address, was_there=was_there)

    monkeypatch.setattr(ledger_wait, "open_ledger", closes)
    waits: list[int] = []

    def stop_after_three() -> None:
        waits.append(1)
        if len(waits) == 3:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        opened_ledger(url, stop_after_three)


def test_other_errors_are_raised_at_once() -> None:
    def step() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        when_ledger_answers(step, lambda: pytest.fail("it waited"))
