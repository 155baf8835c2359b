"""Causes: a command is obeyed once, whatever it came in."""

import threading

from bot.store import causes
from bot.store.ledger import Ledger


def test_the_second_of_the_same_cause_is_told_so(ledger: Ledger) -> None:
    with ledger.write() as tx:
        assert causes.first_time(tx, "github", 1, "comment:1")
    with ledger.write() as tx:
        assert not causes.first_time(tx, "github", 1, "comment:1")


def test_it_is_the_same_only_on_the_same_repository_of_the_same_forge(ledger: Ledger) -> None:
    with ledger.write() as tx:
        assert causes.first_time(tx, "github", 1, "comment:1")
        assert causes.first_time(tx, "github", 2, "comment:1")
        assert causes.first_time(tx, "gitlab", 1, "comment:1")


def test_of_ten_at_once_one_is_first(ledger: Ledger) -> None:
    said: list[bool] = []
    together = threading.Barrier(10)

    def say() -> None:
        together.wait()
        with ledger.write() as tx:
            said.append(causes.first_time(tx, "github", 1, "comment:1"))

    threads = [threading.Thread(target=say) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(said) == [False] * 9 + [True]
