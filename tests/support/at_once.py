"""The same step in many threads at the same moment."""

import threading
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Connection

from bot.store.ledger import Ledger

T = TypeVar("T")


def at_once(ledger: Ledger, number: int, step: Callable[[Connection, int], T]) -> list[T]:
    """Run the step in `number` threads, each in its own transaction; return the results."""
    got: list[T] = []
    together = threading.Barrier(number)

    def one(which: int) -> None:
        together.wait()
        with ledger.write() as tx:
            result = step(tx, which)
        got.append(result)

    threads = [threading.Thread(target=one, args=(which,)) for which in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == number
    return got
