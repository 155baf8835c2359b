"""Senders: each thread has one at a time."""

import pytest
from sqlalchemy import Connection, update

from bot.store import sender_leases, threads
from bot.store.ledger import Ledger
from bot.store.schema import senders as table
from tests.support.at_once import at_once
from tests.support.rows import a_thread

THREAD = a_thread(12)
OTHER = a_thread(13)
LEASE = 120.0  # seconds


@pytest.fixture
def ledger_with_threads(ledger: Ledger) -> Ledger:
    """Return a ledger with two threads."""
    with ledger.write() as tx:
        threads.add(tx, THREAD.key, THREAD)
        threads.add(tx, OTHER.key, OTHER)
    return ledger


def test_a_thread_has_one_sender(ledger_with_threads: Ledger) -> None:
    with ledger_with_threads.write() as tx:
        assert sender_leases.take(tx, THREAD.key, "w1", seconds=LEASE)
        assert not sender_leases.take(tx, THREAD.key, "w2", seconds=LEASE)
        assert not sender_leases.take(tx, THREAD.key, "w1", seconds=LEASE)
        assert sender_leases.take(tx, OTHER.key, "w2", seconds=LEASE)
        sender_leases.release(tx, THREAD.key, "w2")
        assert not sender_leases.take(tx, THREAD.key, "w2", seconds=LEASE)
        sender_leases.release(tx, THREAD.key, "w1")
        assert sender_leases.take(tx, THREAD.key, "w2", seconds=LEASE)


@pytest.mark.parametrize("before", ["nobody", "a dead one"])
def test_one_of_ten_simultaneous_senders_gets_the_thread(ledger_with_threads: Ledger, before: str) -> None:
    with ledger_with_threads.write() as tx:
        if before == "a dead one":
            sender_leases.take(tx, THREAD.key, "dead", seconds=LEASE)
            tx.execute(update(table).values(until=table.c.until - LEASE - 1))

    got = at_once(
        ledger_with_threads, 10, lambda tx, n: sender_leases.take(tx, THREAD.key, f"w{n}", seconds=LEASE)
    )

    assert sum(got) == 1


def test_a_sender_extends_its_lease_until_another_has_the_thread(ledger_with_threads: Ledger) -> None:
    with ledger_with_threads.write() as tx:
        assert sender_leases.take(tx, THREAD.key, "w1", seconds=LEASE)
        assert sender_leases.extend(tx, THREAD.key, "w1", LEASE)
        assert not sender_leases.extend(tx, THREAD.key, "w2", LEASE)
        sender_leases.release(tx, THREAD.key, "w1")
        assert not sender_leases.extend(tx, THREAD.key, "w1", LEASE)


def test_the_thread_of_a_dead_sender_is_free_at_once(ledger_with_threads: Ledger) -> None:
    def take(tx: Connection, *dead: str) -> bool:
        return sender_leases.take(tx, THREAD.key, "w2", seconds=LEASE, is_dead=lambda holder: holder in dead)

    with ledger_with_threads.write() as tx:
        assert sender_leases.take(tx, THREAD.key, "w1", seconds=LEASE)
        assert not take(tx)
        assert not take(tx, "w2")
        assert take(tx, "w1")
        assert not sender_leases.extend(tx, THREAD.key, "w1", LEASE)
