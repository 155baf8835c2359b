"""A person who gives commands on a thread, and reads the replies."""

import pytest

from bot.store.ledger import Ledger
from tests.support.commander import Say


@pytest.fixture
def say(sqlite_ledger: Ledger) -> Say:
    return Say(sqlite_ledger)
