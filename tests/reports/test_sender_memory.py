"""Sending the reports of many runs takes no memory that stays."""

import base64
import gc
import tracemalloc

import pytest

from bot.app.worker import build_sender
from bot.store.outbox import Outgoing
from bot.store.shared_keys import run_token
from bot.text.redaction import HIDDEN
from tests.reports.run_outbox import Outbox

_MOST = 5 << 20  # bytes


@pytest.mark.alike
def test_memory_after_500_runs_that_printed_their_tokens_is_that_after_50(messages: Outbox) -> None:
    key = build_sender(messages.runtime).link_key

    def report(runs: range) -> int:
        for number in runs:
            token = run_token(key, f"r{number}")
            text = f"I have {base64.b64encode(token.encode()).decode()} and {token.encode().hex()}."
            messages.want(Outgoing.REPLY, {"text": text}, subject=f"r{number}")
        messages.send()
        assert all(body.count(HIDDEN) == 2 for body in messages.bodies)
        messages.forge.comments.clear()
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        before = report(range(50))
        after = report(range(50, 500))
    finally:
        tracemalloc.stop()

    assert after - before < _MOST
