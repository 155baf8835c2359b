"""Comments on threads, handled on either database."""

import pytest

from bot.store.ledger import Ledger
from tests.support.commander import Say


@pytest.fixture
def say(ledger: Ledger) -> Say:
    return Say(ledger)
