"""Each thread has one sender at a time: several write each message once."""

import threading
from dataclasses import replace

from sqlalchemy import select, update

from bot.app.worker import build_sender
from bot.domain.thread import ReplyTarget
from bot.reports import sender
from bot.store import sender_leases
from bot.store.outbox import Outgoing
from bot.store.schema import senders as senders_table
from tests.reports.run_outbox import Outbox
from tests.support.rows import a_worker

LEASE = 120.0  # seconds: the lease of a sender in these runtimes


def test_two_concurrent_senders_write_each_message_once(messages: Outbox) -> None:
    subjects = [f"comment:{number}" for number in range(12)]
    for subject in subjects:
        messages.want(Outgoing.REPLY, subject=subject)
    together = threading.Barrier(2)

    def send(holder: str) -> None:
        runtime = replace(messages.runtime, worker=a_worker(holder))
        together.wait()
        sender.send(build_sender(runtime), messages.thread.key)

    both = [threading.Thread(target=send, args=(holder,)) for holder in ("w1", "w2")]
    for one in both:
        one.start()
    for one in both:
        one.join()

    markers = sorted(body.rsplit("\n", 1)[1] for body in messages.bodies)
    assert markers == sorted(f"<!-- forgehand:reply:{subject} -->" for subject in subjects)


def test_the_active_sender_of_a_thread_sends_a_message_that_arrives_meanwhile(messages: Outbox) -> None:
    other = replace(messages.runtime, worker=a_worker("w2"))

    def meanwhile() -> None:
        messages.forge.after = lambda: None
        messages.want(Outgoing.STATUS)
        sender.send(build_sender(other), messages.thread.key)
        assert messages.forge.statuses == []  # the thread already has a sender

    messages.forge.after = meanwhile
    messages.want(Outgoing.REPLY)

    messages.send()

    assert len(messages.forge.statuses) == 1


def test_a_sender_that_lost_its_lease_leaves_the_remaining_messages_to_the_next_sender(
    messages: Outbox,
) -> None:
    messages.want(Outgoing.REPLY)
    messages.want(Outgoing.STATUS)

    def too_long() -> None:
        messages.forge.after = lambda: None
        with messages.ledger.write() as tx:
            tx.execute(update(senders_table).values(until=senders_table.c.until - LEASE - 1))
            assert sender_leases.take(tx, messages.thread.key, "w2", seconds=LEASE)

    messages.forge.after = too_long

    messages.send()

    assert len(messages.bodies) == 1
    assert messages.forge.statuses == []
    with messages.ledger.read() as tx:
        assert tx.execute(select(senders_table.c.holder)).scalars().all() == ["w2"]


def test_the_newer_of_the_comments_of_two_senders_is_deleted(messages: Outbox) -> None:
    def meanwhile() -> None:
        messages.forge.after = lambda: None
        [body] = messages.bodies
        messages.forge.comment(
            messages.thread, body, ReplyTarget()
        )  # like a next sender that found no comment yet
        with messages.ledger.write() as tx:
            tx.execute(update(senders_table).values(until=senders_table.c.until - LEASE - 1))
            assert sender_leases.take(tx, messages.thread.key, "w2", seconds=LEASE)
            sender_leases.release(tx, messages.thread.key, "w2")

    messages.want(Outgoing.REPLY)
    messages.forge.after = meanwhile

    messages.send()

    assert list(messages.forge.comments) == [1]
    assert (messages.item(Outgoing.REPLY).remote_id, messages.due_in(Outgoing.REPLY)) == (1, None)
