"""The outbox: an item is overwritten until it is sent."""

import pytest
from sqlalchemy import Connection, update

from bot.store import outbox, threads
from bot.store.ledger import Ledger
from bot.store.outbox import EDIT_EVERY, Item, NewItem, Outgoing
from bot.store.schema import outbox as table
from tests.support.at_once import at_once
from tests.support.rows import a_thread

THREAD = a_thread(12)
OTHER = a_thread(13)


@pytest.fixture
def ledger_with_threads(ledger: Ledger) -> Ledger:
    """Return a ledger with two threads."""
    with ledger.write() as tx:
        for thread in (THREAD, OTHER):
            threads.add(tx, thread.key, thread)
    return ledger


def an_item(
    text: str, kind: Outgoing = Outgoing.PROGRESS, *, subject: str = "t1-1", target: str = ""
) -> NewItem:
    return NewItem(subject=subject, kind=kind, thread_key=THREAD.key, content={"text": text}, target=target)


def only_due_item(tx: Connection) -> Item:
    (item,) = outbox.due(tx, THREAD.key)
    return item


def due_texts(tx: Connection) -> list[str]:
    return [item.content["text"] for item in outbox.due(tx, THREAD.key)]


def pass_time(tx: Connection, seconds: float) -> None:
    """Move all recorded times this many seconds into the past."""
    tx.execute(update(table).values(due_at=table.c.due_at - seconds, sent_at=table.c.sent_at - seconds))


def test_a_new_item_is_due_at_once(ledger_with_threads: Ledger) -> None:
    with ledger_with_threads.write() as tx:
        outbox.put(tx, an_item("preparing"))
        item = only_due_item(tx)

    assert (item.content, item.version, item.remote_id, item.attempts) == ({"text": "preparing"}, 1, None, 0)


def test_an_item_is_overwritten_until_it_is_sent(ledger_with_threads: Ledger) -> None:
    with ledger_with_threads.write() as tx:
        for text in ("preparing", "agent", "push"):
            outbox.put(tx, an_item(text))

        assert due_texts(tx) == ["push"]
        assert only_due_item(tx).version == 3


def test_the_same_content_again_is_not_a_new_version(ledger_with_threads: Ledger) -> None:
    with ledger_with_threads.write() as tx:
        outbox.put(tx, an_item("agent", Outgoing.REPLY))
        outbox.sent(tx, only_due_item(tx), 99)
        outbox.put(tx, an_item("agent", Outgoing.REPLY))

        assert outbox.due(tx, THREAD.key) == []


def test_a_sent_item_is_not_due_and_its_comment_is_known(ledger_with_threads: Ledger) -> None:
    with ledger_with_threads.write() as tx:
        outbox.put(tx, an_item("done", Outgoing.FINAL))
        assert outbox.unsent(tx, "t1-1", Outgoing.FINAL)
        outbox.sent(tx, only_due_item(tx), 99)

        assert outbox.due(tx, THREAD.key) == []
        assert not outbox.unsent(tx, "t1-1", Outgoing.FINAL)
        (item,) = outbox.of_subject(tx, "t1-1", Outgoing.FINAL)
        assert item.remote_id == 99


def test_a_version_added_while_an_older_one_is_sent_is_sent_afterwards(ledger_with_threads: Ledger) -> None:
    with ledger_with_threads.write() as tx:
        outbox.put(tx, an_item("one", Outgoing.REPLY))
        being_sent = only_due_item(tx)
        outbox.put(tx, an_item("two", Outgoing.REPLY))
        outbox.sent(tx, being_sent, 99)

        assert due_texts(tx) == ["two"]
        assert only_due_item(tx).remote_id == 99
        outbox.sent(tx, only_due_item(tx), None)
        (item,) = outbox.of_subject(tx, "t1-1", Outgoing.REPLY)
        assert item.remote_id == 99


@pytest.mark.parametrize("when", ["while it was sent", "after it was sent"])
def test_progress_is_edited_at_a_limited_rate(ledger_with_threads: Ledger, when: str) -> None:
    with ledger_with_threads.write() as tx:
        outbox.put(tx, an_item("prepare"))
        item = only_due_item(tx)
        if when == "while it was sent":
            outbox.put(tx, an_item("agent"))
        outbox.sent(tx, item, 99)
        outbox.put(tx, an_item("agent"))

        assert due_texts(tx) == []
        pass_time(tx, EDIT_EVERY - 1)
        assert due_texts(tx) == []
        pass_time(tx, 1.01)
        assert due_texts(tx) == ["agent"]


def test_the_rate_of_other_kinds_is_not_limited(ledger_with_threads: Ledger) -> None:
    with ledger_with_threads.write() as tx:
        outbox.put(tx, an_item("pending", Outgoing.STATUS))
        outbox.sent(tx, only_due_item(tx), None)
        outbox.put(tx, an_item("success", Outgoing.STATUS))

        assert due_texts(tx) == ["success"]


def test_an_item_that_is_put_once_is_not_put_again_after_it_was_sent(ledger_with_threads: Ledger) -> None:
    with ledger_with_threads.write() as tx:
        assert outbox.put_once(tx, an_item("no", Outgoing.REPLY))
        assert not outbox.put_once(tx, an_item("never", Outgoing.REPLY))
        assert due_texts(tx) == ["no"]
        outbox.sent(tx, only_due_item(tx), 99)

        assert not outbox.put_once(tx, an_item("no", Outgoing.REPLY))
        assert outbox.due(tx, THREAD.key) == []


def test_ten_simultaneous_put_once_add_one_item(ledger_with_threads: Ledger) -> None:
    got = at_once(ledger_with_threads, 10, lambda tx, n: outbox.put_once(tx, an_item(str(n), Outgoing.REPLY)))

    assert sum(got) == 1


def test_items_for_different_targets_are_different_rows(ledger_with_threads: Ledger) -> None:
    with ledger_with_threads.write() as tx:
        outbox.put(tx, an_item("success", Outgoing.STATUS, target="a" * 40))
        outbox.put(tx, an_item("failure", Outgoing.STATUS, target="b" * 40))

        assert due_texts(tx) == ["success", "failure"]


def test_the_items_of_a_thread_are_sent_in_the_order_of_kinds(ledger_with_threads: Ledger) -> None:
    with ledger_with_threads.write() as tx:
        for kind in reversed(Outgoing):
            outbox.put(tx, an_item(kind, kind))

        assert due_texts(tx) == list(Outgoing)


def test_a_postponed_item_is_not_due_until_its_time_and_counts_its_attempts(
    ledger_with_threads: Ledger,
) -> None:
    with ledger_with_threads.write() as tx:
        outbox.put(tx, an_item("no", Outgoing.REPLY))
        outbox.start_sending(tx, only_due_item(tx))
        outbox.try_later(tx, only_due_item(tx), 60.0)

        assert outbox.due(tx, THREAD.key) == []
        assert outbox.unsent(tx, "t1-1", Outgoing.REPLY)
        pass_time(tx, 60.0)
        assert only_due_item(tx).attempts == 1
        outbox.sent(tx, only_due_item(tx), 99)
        assert outbox.of_subject(tx, "t1-1", Outgoing.REPLY)[0].attempts == 0


def test_a_refusal_is_recorded_and_the_item_is_not_tried_again(ledger_with_threads: Ledger) -> None:
    with ledger_with_threads.write() as tx:
        outbox.put(tx, an_item("success", Outgoing.STATUS))
        outbox.give_up(tx, only_due_item(tx), "GitHub answered 403.")
        outbox.put(tx, an_item("failure", Outgoing.STATUS))

        assert outbox.due(tx, THREAD.key) == []
        assert outbox.refusals(tx, "t1-1") == [("status", "GitHub answered 403.")]


def test_a_dropped_item_is_not_refused_and_a_newer_version_is_sent(ledger_with_threads: Ledger) -> None:
    with ledger_with_threads.write() as tx:
        outbox.put(tx, an_item("agent"))
        given_up = only_due_item(tx)
        outbox.drop(tx, given_up)
        assert (due_texts(tx), outbox.refusals(tx, "t1-1")) == ([], [])

        outbox.put(tx, an_item("push"))
        outbox.drop(tx, given_up)

        assert due_texts(tx) == ["push"]


def test_an_item_that_is_retired_before_it_is_sent_is_not_sent(ledger_with_threads: Ledger) -> None:
    with ledger_with_threads.write() as tx:
        outbox.put(tx, an_item("agent"))
        found = only_due_item(tx)
        outbox.retire(tx, "t1-1", Outgoing.PROGRESS)

        assert not outbox.start_sending(tx, found)


def test_an_item_that_is_retired_after_a_try_stays_due_because_it_may_have_been_posted(
    ledger_with_threads: Ledger,
) -> None:
    with ledger_with_threads.write() as tx:
        outbox.put(tx, an_item("agent"))
        assert outbox.start_sending(tx, only_due_item(tx))
        outbox.put(tx, an_item("has ended"))
        outbox.retire(tx, "t1-1", Outgoing.PROGRESS)

        assert due_texts(tx) == ["has ended"]


@pytest.mark.parametrize("then", ["sent", "failed"])
def test_an_item_that_is_retired_while_it_is_sent_is_not_due_again(
    ledger_with_threads: Ledger, then: str
) -> None:
    with ledger_with_threads.write() as tx:
        outbox.put(tx, an_item("agent"))
        being_sent = only_due_item(tx)
        outbox.put(tx, an_item("push"))
        outbox.retire(tx, "t1-1", Outgoing.PROGRESS)
        if then == "sent":
            outbox.sent(tx, being_sent, 99)
        else:
            outbox.try_later(tx, being_sent, 1.0)
        pass_time(tx, 60.0)

        assert outbox.due(tx, THREAD.key) == []


def test_an_item_that_is_retired_after_its_post_is_still_edited(ledger_with_threads: Ledger) -> None:
    with ledger_with_threads.write() as tx:
        outbox.put(tx, an_item("agent"))
        outbox.sent(tx, only_due_item(tx), 99)
        outbox.put(tx, an_item("has ended"))
        outbox.retire(tx, "t1-1", Outgoing.PROGRESS)
        pass_time(tx, 60.0)

        assert due_texts(tx) == ["has ended"]


def test_retiring_does_not_change_other_kinds_and_subjects(ledger_with_threads: Ledger) -> None:
    with ledger_with_threads.write() as tx:
        outbox.put(tx, an_item("progress of 1"))
        outbox.put(tx, an_item("final of 1", Outgoing.FINAL))
        outbox.put(tx, an_item("progress of 2", subject="t1-2"))
        outbox.retire(tx, "t1-1", Outgoing.PROGRESS)

        assert due_texts(tx) == ["final of 1", "progress of 2"]


def test_due_threads_are_sorted_by_their_waiting_time(ledger_with_threads: Ledger) -> None:
    with ledger_with_threads.write() as tx:
        outbox.put(tx, an_item("here"))
        pass_time(tx, 5.0)
        outbox.put(tx, NewItem(subject="t2-1", kind=Outgoing.FINAL, thread_key=OTHER.key, content={}))

        assert outbox.due_threads(tx, 10) == [THREAD.key, OTHER.key]
        assert outbox.due_threads(tx, 1) == [THREAD.key]
