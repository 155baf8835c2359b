"""Hosts: signs of life, unresponsive hosts, and unique names."""

import pytest
from sqlalchemy import Connection, update

from bot.domain.errors import BadSettings
from bot.store import hosts, shared_keys
from bot.store.hosts import record_seen, unresponsive
from bot.store.ledger import Ledger, clock
from bot.store.schema import hosts as table
from tests.support.at_once import at_once


def _unresponsive(tx: Connection, after: float) -> list[str]:
    return list(tx.execute(unresponsive(clock(tx), after)).scalars())


def _age(tx: Connection, seconds: float) -> None:
    tx.execute(update(table).values(seen_at=table.c.seen_at - seconds))


def test_a_host_is_unresponsive_until_its_next_sign_of_life(ledger: Ledger) -> None:
    with ledger.write() as tx:
        record_seen(tx, "h1", "f1", 60)
        _age(tx, 61)
        record_seen(tx, "h2", "f2", 60)
        assert _unresponsive(tx, 60) == ["h1"]

        record_seen(tx, "h1", "f1", 60)
        assert _unresponsive(tx, 60) == []


def test_two_data_folders_cannot_have_one_name(ledger: Ledger) -> None:
    with ledger.write() as tx:
        record_seen(tx, "h1", "f1", 60)

        with pytest.raises(BadSettings, match=r"'h1'.*--host"):
            record_seen(tx, "h1", "f2", 60)


def test_another_data_folder_can_take_the_name_of_an_unresponsive_host(ledger: Ledger) -> None:
    with ledger.write() as tx:
        record_seen(tx, "h1", "f1", 60)
        _age(tx, 61)

        record_seen(tx, "h1", "f2", 60)

        with pytest.raises(BadSettings):
            record_seen(tx, "h1", "f1", 60)


def test_a_host_without_a_data_folder_accepts_the_first_one(ledger: Ledger) -> None:
    with ledger.write() as tx:
        tx.execute(table.insert().values(name="h1", folder="", seen_at=clock(tx)))

        record_seen(tx, "h1", "f1", 60)

        with pytest.raises(BadSettings):
            hosts.record_seen(tx, "h1", "f2", 60)


def test_a_key_is_created_once_by_simultaneous_processes(ledger: Ledger) -> None:
    got = at_once(ledger, 5, lambda tx, n: shared_keys.get_or_add(tx, "link", f"key{n}"))

    with ledger.read() as tx:
        assert set(got) == {shared_keys.find(tx, "link")}
        assert shared_keys.find(tx, "other") == ""
