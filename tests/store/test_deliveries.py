"""Deliveries: stored once, due until they are answered, answered once."""

import pytest

from bot.store import deliveries
from bot.store.deliveries import BODY_KEPT, Delivery
from bot.store.ledger import Ledger
from bot.store.schema import deliveries as table


def a_delivery(number: int, body: bytes = b"{}") -> Delivery:
    return Delivery(forge="github", id=f"d{number}", event="issue_comment", body=body)


@pytest.fixture
def ledger_with_deliveries(ledger: Ledger) -> Ledger:
    """Return a ledger with deliveries d1 and d2."""
    with ledger.write() as tx:
        deliveries.record(tx, [a_delivery(1), a_delivery(2)])
    return ledger


def test_a_batch_with_known_and_duplicate_deliveries_adds_only_the_new_ones(
    ledger_with_deliveries: Ledger,
) -> None:
    with ledger_with_deliveries.write() as tx:
        deliveries.record(tx, [a_delivery(3), a_delivery(2, b"other"), a_delivery(3, b"twin")])

    with ledger_with_deliveries.read() as tx:
        assert deliveries.count_unanswered(tx) == 3
        second, third = (deliveries.get_unanswered(tx, "github", name) for name in ("d2", "d3"))
    assert second is not None
    assert second.body == b"{}"
    assert third is not None
    assert third.body == b"{}"


def test_the_same_id_from_another_forge_is_another_delivery(ledger_with_deliveries: Ledger) -> None:
    with ledger_with_deliveries.write() as tx:
        deliveries.record(tx, [Delivery(forge="gitlab", id="d1", event="note", body=b"")])

        assert deliveries.count_unanswered(tx) == 3


def test_a_body_of_any_bytes_is_read_back_unchanged(ledger: Ledger) -> None:
    body = bytes(range(256)) * 100
    with ledger.write() as tx:
        deliveries.record(tx, [a_delivery(1, body)])
        delivery = deliveries.get_unanswered(tx, "github", "d1")

    assert delivery is not None
    assert delivery.body == body
    assert (delivery.event, delivery.attempts) == ("issue_comment", 0)
    assert 0 <= delivery.age < 5


def test_due_deliveries_are_listed_oldest_first_and_up_to_the_limit(ledger_with_deliveries: Ledger) -> None:
    with ledger_with_deliveries.write() as tx:
        tx.execute(table.update().where(table.c.id == "d2").values(due_at=1.0))

        assert deliveries.due(tx, 10) == [("github", "d2"), ("github", "d1")]
        assert deliveries.due(tx, 1) == [("github", "d2")]


def test_a_postponed_delivery_is_not_due_until_its_time(ledger_with_deliveries: Ledger) -> None:
    with ledger_with_deliveries.write() as tx:
        deliveries.try_later(tx, "github", "d1", 60.0, "the forge is away")

        assert deliveries.due(tx, 10) == [("github", "d2")]
        delivery = deliveries.get_unanswered(tx, "github", "d1")
    assert delivery is not None
    assert delivery.attempts == 1


def test_a_delivery_is_answered_once(ledger_with_deliveries: Ledger) -> None:
    with ledger_with_deliveries.write() as tx:
        assert deliveries.mark_answered(tx, "github", "d1")
        assert not deliveries.mark_answered(tx, "github", "d1")
        deliveries.try_later(tx, "github", "d1", 0.0, "too late")

        assert deliveries.get_unanswered(tx, "github", "d1") is None
        assert deliveries.due(tx, 10) == [("github", "d2")]
        assert deliveries.count_unanswered(tx) == 1


def test_only_old_answered_bodies_are_deleted_and_their_keys_remain(ledger_with_deliveries: Ledger) -> None:
    with ledger_with_deliveries.write() as tx:
        deliveries.record(tx, [a_delivery(3)])
        deliveries.mark_answered(tx, "github", "d1")
        deliveries.mark_answered(tx, "github", "d3")
        old = table.update().where(table.c.id.in_(["d1", "d2"]))
        tx.execute(old.values(received_at=table.c.received_at - BODY_KEPT - 1))

        assert deliveries.drop_old_bodies(tx) == 1
        deliveries.record(tx, [a_delivery(1)])
        assert deliveries.count_unanswered(tx) == 1
        assert deliveries.get_unanswered(tx, "github", "d2") is not None
