"""Deaths of senders delay the comments of a thread by at most 30 seconds."""

import threading
from dataclasses import replace

import pytest
from sqlalchemy import select, update

from bot.app import sweep
from bot.app.worker import SWEEP_EVERY, build_sender
from bot.domain.thread import ReplyTarget
from bot.reports import sender
from bot.store import outbox, sender_leases
from bot.store.outbox import Outgoing
from bot.store.schema import senders as senders_table
from bot.store.twins import LOOK_AFTER
from tests.reports.run_outbox import Outbox
from tests.support.rows import a_worker
from tests.support.worker_bench import until


def die_while_posting(messages: Outbox, host: str, name: str) -> bool:
    """Take the thread and begin a try as a process that then dies. Return whether the thread was free."""
    there = build_sender(messages.runtime)
    with messages.ledger.write() as tx:
        took = sender_leases.take(
            tx,
            messages.thread.key,
            f"{host}/{name}/1",
            seconds=sender._lease(there),
            is_dead=lambda holder: holder.startswith(f"{host}/"),
        )
        if took:
            outbox.start_sending(tx, messages.item(Outgoing.REPLY))
    return took


def let_pass(messages: Outbox, seconds: float) -> None:
    with messages.ledger.write() as tx:
        tx.execute(update(senders_table).values(until=senders_table.c.until - seconds))


def test_after_any_number_of_deaths_on_this_host_the_next_sender_sends_at_once(messages: Outbox) -> None:
    messages.want(Outgoing.REPLY)
    host = messages.runtime.worker.host
    for number in range(5):
        assert die_while_posting(messages, host, f"dead{number}")

    messages.send()

    assert len(messages.bodies) == 1


def test_the_late_post_of_a_dead_sender_does_not_stay_beside_that_of_the_next_one(messages: Outbox) -> None:
    messages.want(Outgoing.REPLY)
    die_while_posting(messages, messages.runtime.worker.host, "dead")
    messages.send()
    messages.forge.comment(messages.thread, messages.bodies[0], ReplyTarget())

    messages.later(LOOK_AFTER)
    messages.send()

    assert len(messages.bodies) == 1


def test_after_a_death_on_another_host_the_thread_is_free_when_the_lease_has_expired(
    messages: Outbox,
) -> None:
    messages.want(Outgoing.REPLY)
    assert die_while_posting(messages, "other", "dead")
    lease = sender._lease(build_sender(messages.runtime))

    messages.send()
    assert messages.bodies == []
    let_pass(messages, lease)
    messages.send()

    assert len(messages.bodies) == 1


def test_the_lease_and_the_wait_for_the_next_nudge_take_at_most_30_seconds(messages: Outbox) -> None:
    assert sender._lease(build_sender(messages.runtime)) + sweep._AGAIN + SWEEP_EVERY <= 30


@pytest.mark.alike
def test_a_sender_keeps_its_thread_during_a_call_that_takes_longer_than_its_lease(messages: Outbox) -> None:
    short = replace(messages.runtime, worker=replace(a_worker("w1"), lease=1.0))
    began = list[float]()
    others = list[bool]()

    def lease_until() -> float:
        with messages.ledger.read() as tx:
            return float(tx.execute(select(senders_table.c.until)).scalar_one())

    def take_long() -> None:
        messages.forge.after = lambda: None
        began.append(lease_until())
        until(lambda: lease_until() > began[0] + 2 * sender._lease(build_sender(short)))
        with messages.ledger.write() as tx:
            others.append(sender_leases.take(tx, messages.thread.key, "h2/w2/1", seconds=9.0))

    messages.want(Outgoing.REPLY)
    messages.forge.after = take_long
    sender.send(build_sender(short), messages.thread.key)

    assert others == [False]
    assert len(messages.bodies) == 1
    assert messages.due_in(Outgoing.REPLY) is None
    assert not any(thread.name.startswith("send-") for thread in threading.enumerate())
