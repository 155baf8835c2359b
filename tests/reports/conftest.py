"""A run whose messages the sender sends."""

import pytest

from bot.store.ledger import Ledger
from tests.reports.run_outbox import Outbox


@pytest.fixture
def messages(ledger: Ledger) -> Outbox:
    return Outbox(ledger)
