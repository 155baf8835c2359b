"""A bot that answers deliveries, on either database."""

import pytest

from bot.store.ledger import Ledger
from tests.commands.answering_bot import Bot


@pytest.fixture
def bot(ledger: Ledger) -> Bot:
    return Bot(ledger)
