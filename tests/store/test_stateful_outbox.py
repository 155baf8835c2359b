"""The outbox, with steps in random order.

Hypothesis puts items and sends them, one transaction at a time. A sender may die
between any two transactions, or continue after another one has taken its thread.
The forge is a dictionary from each row to its last content.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule
from sqlalchemy import select, update

from bot.store import outbox, sender_leases, threads
from bot.store.outbox import Item, NewItem, Outgoing
from bot.store.schema import outbox as table
from bot.store.schema import senders as senders_table
from tests.store.stateful import WHICH, Week, run_sequences
from tests.support.rows import a_thread

THREADS = [a_thread(number) for number in (1, 2)]
LEASE = 120.0  # seconds
KINDS = [Outgoing.REPLY, Outgoing.PROGRESS, Outgoing.FINAL]


@dataclass(slots=True)
class Sender:
    """A sender of a thread: its due items, and the item it has written and not recorded yet."""

    holder: str
    thread: str
    items: list[Item]
    written: Item | None = None


class Outbox(Week):
    """A model of the outbox: the contents on the forge, and their records."""

    def __init__(self) -> None:
        super().__init__()
        self.forge: dict[int, str] = {}
        self.recorded: set[tuple[int, int]] = set()  # row and version
        self.told: set[str] = set()  # subjects whose final comment is sent: nothing else is put for them
        self.senders: list[Sender] = []
        self.holds: dict[str, str] = {}  # thread: its latest sender
        self.came = 0
        with self.ledger.write() as tx:
            for thread in THREADS:
                threads.add(tx, thread.key, thread)

    @initialize()
    def start_with_work(self) -> None:
        for number in range(4):
            for kind in (Outgoing.REPLY, Outgoing.PROGRESS):
                self.put_item(number, kind, 0)
        self.start_sender(0)

    @rule(number=st.integers(0, 3), kind=st.sampled_from(KINDS), words=WHICH)
    def put_item(self, number: int, kind: Outgoing, words: int) -> None:
        subject = f"t{number}-1"
        if subject in self.told:
            return
        wanted = NewItem(
            subject=subject,
            kind=kind,
            thread_key=THREADS[number % 2].key,
            content={"text": "last words" if kind is Outgoing.FINAL else str(words)},
        )
        with self.ledger.write() as tx:
            outbox.put(tx, wanted)

    @rule(which=WHICH)
    def start_sender(self, which: int) -> None:
        self.came += 1
        holder = f"s{self.came}"
        with self.ledger.write() as tx:
            if due := outbox.due_threads(tx, 9):
                thread = due[which % len(due)]
                if sender_leases.take(tx, thread, holder, seconds=LEASE):
                    self.holds[thread] = holder
                    self.senders.append(Sender(holder, thread, outbox.due(tx, thread)))

    @precondition(lambda self: any(one.items and not one.written for one in self.senders))
    @rule(which=WHICH, away=st.booleans())
    def send_item(self, which: int, away: bool) -> None:  # noqa: FBT001 - drawn
        ready = [one for one in self.senders if one.items and not one.written]
        sender = ready[which % len(ready)]
        item = sender.items.pop(0)
        with self.ledger.write() as tx:
            if not sender_leases.extend(tx, sender.thread, sender.holder, LEASE):
                sender.items.clear()
            elif away:
                outbox.try_later(tx, item, 5.0)
            elif outbox.start_sending(tx, item):
                assert self.holds[sender.thread] == sender.holder
                assert (item.id, item.version) not in self.recorded
                sender.written = item
                self.forge[item.id] = json.dumps(item.content)

    @precondition(lambda self: any(one.written for one in self.senders))
    @rule(which=WHICH)
    def record_sent_item(self, which: int) -> None:
        ready = [one for one in self.senders if one.written]
        sender = ready[which % len(ready)]
        item, sender.written = sender.written, None
        assert item
        with self.ledger.write() as tx:
            outbox.sent(tx, item, item.id)
            if item.kind is Outgoing.FINAL:
                outbox.retire(tx, item.subject, Outgoing.PROGRESS)
                self.told.add(item.subject)
        self.recorded.add((item.id, item.version))

    @precondition(lambda self: self.senders)
    @rule(which=WHICH, dead=st.booleans())
    def end_sender(self, which: int, dead: bool) -> None:  # noqa: FBT001 - drawn
        gone = self.senders.pop(which % len(self.senders))
        if not dead:
            with self.ledger.write() as tx:
                sender_leases.release(tx, gone.thread, gone.holder)

    @rule()
    def let_leases_expire(self) -> None:
        """Let the leases of senders expire, and postponed items become due."""
        with self.ledger.write() as tx:
            tx.execute(update(senders_table).values(until=1.0))
            tx.execute(update(table).values(due_at=table.c.due_at - 600))

    @rule(which=WHICH)
    def send_with_a_faster_sender(self, which: int) -> None:
        """Send the due items as a new sender, after the leases of the others have expired."""
        slower, self.senders = self.senders, []
        self.let_leases_expire()
        self.start_sender(which)
        while self.senders:
            if self.senders[0].written:
                self.record_sent_item(0)
            elif self.senders[0].items:
                self.send_item(0, away=False)
            else:
                self.end_sender(0, dead=False)
        self.senders = slower

    @invariant()
    def check_items(self) -> None:
        with self.ledger.read() as tx:
            rows = tx.execute(select(table)).all()
        for row in rows:
            if (row.id, row.version) in self.recorded:
                assert row.due_at is None
            retired = row.kind == Outgoing.PROGRESS and row.subject in self.told
            if row.due_at is None and not retired:
                assert self.forge[row.id] == row.content

    def teardown(self) -> None:
        """Check that one undisturbed sender sends everything."""
        self.senders.clear()
        for _ in range(20):
            self.send_with_a_faster_sender(0)
        with self.ledger.read() as tx:
            assert not outbox.due_threads(tx, 1)
        self.check_items()


def test_no_item_is_lost_or_sent_twice_in_any_order_of_steps(sqlite_url: str) -> None:
    run_sequences(Outbox, sqlite_url, weeks=12)


@pytest.mark.long
def test_no_item_is_lost_or_sent_twice_in_any_order_on_postgresql(postgres_url: Callable[[], str]) -> None:
    run_sequences(Outbox, postgres_url(), weeks=40)
