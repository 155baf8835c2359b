"""A person who says things on a thread, and reads the reply."""

import pytest

from bot.store.ledger import Ledger
from tests.support.commander import Say


@pytest.fixture
def say(sqlite_ledger: Ledger) -> Say:
    return Say(sqlite_ledger)
