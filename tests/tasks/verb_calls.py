"""Calls of the verbs of tasks, and the facts of runs that their tests share."""

from collections.abc import Iterator
from contextlib import contextmanager

from bot.domain.lifecycle import Phase
from bot.store.ledger import Ledger
from bot.tasks.verbs import Tasks
from tests.support.commander import DEFAULTS, patch_url

WORKED = (Phase.AGENT, Phase.EXPORT)
HELD = "abc1234" + "5" * 33


@contextmanager
def verbs(ledger: Ledger) -> Iterator[Tasks]:
    with ledger.write() as tx:
        yield Tasks(tx=tx, defaults=DEFAULTS, help=(), patch_url=patch_url)
