"""Causes: a command is executed once, even if several deliveries contain it."""

from bot.store import causes
from bot.store.ledger import Ledger
from tests.support.at_once import at_once


def test_a_second_command_with_the_same_cause_is_recognised(ledger: Ledger) -> None:
    with ledger.write() as tx:
        assert causes.add(tx, "github", 1, "comment:1")
    with ledger.write() as tx:
        assert not causes.add(tx, "github", 1, "comment:1")


def test_a_cause_belongs_to_one_repository_of_one_forge(ledger: Ledger) -> None:
    with ledger.write() as tx:
        assert causes.add(tx, "github", 1, "comment:1")
        assert causes.add(tx, "github", 2, "comment:1")
        assert causes.add(tx, "gitlab", 1, "comment:1")


def test_one_of_ten_simultaneous_commands_is_first(ledger: Ledger) -> None:
    said = at_once(ledger, 10, lambda tx, _: causes.add(tx, "github", 1, "comment:1"))

    assert sorted(said) == [False] * 9 + [True]


def test_only_recorded_causes_are_recognized(ledger: Ledger) -> None:
    with ledger.write() as tx:
        causes.add(tx, "github", 1, "comment:1")

        assert causes.any_known(tx, "github", 1, ["comment:0", "comment:1"])
        assert not causes.any_known(tx, "github", 1, ["comment:0", "comment:2"])
        assert not causes.any_known(tx, "github", 2, ["comment:1"])
