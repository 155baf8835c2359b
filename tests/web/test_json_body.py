"""The check of large bodies in a process of its own: what it says of the body, and what of itself."""

import asyncio
import sys
from pathlib import Path

import pytest

from bot.store.ledger import Ledger
from bot.web import json_body
from bot.web.json_body import LARGE, LargeBodies, NotChecked, NotJSON
from tests.support.webhook_receiver import GITHUB, receiving

SMALL_VALUES = b"[" + b"{}," * LARGE + b"{}]"
pytestmark = pytest.mark.waits


def error(body: bytes) -> NotJSON | None:
    return asyncio.run(LargeBodies().error(body))


@pytest.mark.parametrize(
    ("body", "reason"),
    [(b'{"a": ' + SMALL_VALUES + b"}", ""), (SMALL_VALUES, "not a JSON object"), (b"{", "EOF while parsing")],
)
def test_a_body_is_checked(body: bytes, reason: str) -> None:
    found = error(body)

    assert (found is None) == (not reason)
    assert reason in str(found)


def test_a_body_that_takes_too_much_memory_is_invalid(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_body, "_MEMORY", 20 << 20)

    assert str(error(SMALL_VALUES)) == "it takes too much memory to read"


@pytest.mark.parametrize("program", ["kill -9 $$", "exit 1", None])
def test_a_check_that_fails_says_nothing_of_the_body(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, program: str | None
) -> None:
    python = tmp_path / "python"
    if program:
        python.write_text(f"#!/bin/sh\n{program}\n")
        python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))

    with pytest.raises(NotChecked):
        error(b"{}")


def test_a_check_that_takes_too_long_says_nothing_of_the_body(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_body, "_SECONDS", 0.0)

    with pytest.raises(NotChecked):
        error(b"{}")


def test_a_delivery_that_was_not_checked_may_be_sent_again(
    monkeypatch: pytest.MonkeyPatch, sqlite_ledger: Ledger
) -> None:
    body = b'{"a": ' + SMALL_VALUES + b"}"
    with receiving(sqlite_ledger, GITHUB, body_cap=4 * LARGE) as hook:
        with monkeypatch.context() as patch:
            patch.setattr(json_body, "_SECONDS", 0.0)
            refused = hook.post(body)
        accepted = hook.post(body)

    assert (refused.status_code, accepted.status_code) == (503, 202)
    assert refused.text == "the body could not be checked: TimeoutExpired; send it again\n"
