"""The messages of one run in the outbox, one of each kind, and the forge to which the sender writes them."""

from collections.abc import Mapping

import pytest
from sqlalchemy import select, update

from bot.app.worker import build_sender
from bot.domain.change import CheckState
from bot.domain.task import Run
from bot.domain.thread import Thread
from bot.reports import sender
from bot.runs.runtime import Runtime
from bot.store import outbox, threads
from bot.store.ledger import Ledger, clock
from bot.store.outbox import Item, NewItem, Outgoing
from bot.store.schema import outbox as table
from tests.support.fakes import FakeForge
from tests.support.rows import add_run
from tests.support.runtimes import a_runtime

SHA = "a" * 40
CHANGE = {"head": "forgehand/t1", "base": "main", "title": "Tidy the parser", "body": "Made.", "draft": True}
FINAL = {"lead": "**Pushed.**", "rest": "Next: `/resume`"}
STATUS = {"verdict": CheckState.SUCCESS, "description": "Pushed."}
TEXT = {"text": "some words"}
CONTENT: dict[Outgoing, Mapping[str, object]] = {
    Outgoing.REACTION: {"spot": {"comment_id": 77}},
    Outgoing.LABEL: {"on": False},
    Outgoing.PROGRESS: TEXT,
    Outgoing.REPLY: TEXT,
    Outgoing.STATUS: STATUS,
    Outgoing.CHANGE: CHANGE,
    Outgoing.FINAL: FINAL,
}
TARGET = {Outgoing.LABEL: "forgehand", Outgoing.STATUS: SHA}
COMMENTS = (Outgoing.PROGRESS, Outgoing.REPLY, Outgoing.FINAL)


class Killed(BaseException):
    """Simulates the death of the process."""


class Outbox:
    """The messages of one run on one thread, and the forge that receives them."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger, self.forge = ledger, FakeForge()
        self.runtime: Runtime = a_runtime(ledger, self.forge)
        with ledger.write() as tx:
            self.run: Run = add_run(tx)
            self.thread: Thread = threads.get(tx, self.run.thread_key)

    def want(self, kind: Outgoing, content: Mapping[str, object] | None = None, *, subject: str = "") -> None:
        wanted = NewItem(
            subject=subject or self.run.id,
            kind=kind,
            thread_key=self.thread.key,
            content=dict(CONTENT[kind] if content is None else content),
            target=TARGET.get(kind, ""),
        )
        with self.ledger.write() as tx:
            outbox.put(tx, wanted)

    def send(self) -> None:
        sender.send(build_sender(self.runtime), self.thread.key)

    def killed_after_writing(self) -> None:
        """Send, and die after the first write, before it is recorded; the thread has no sender then."""

        def die() -> None:
            raise Killed

        self.forge.after = die
        with pytest.raises(Killed):
            self.send()
        self.forge.after = lambda: None

    def later(self, seconds: float) -> None:
        """Move all recorded times this far into the past."""
        with self.ledger.write() as tx:
            tx.execute(
                update(table).values(
                    due_at=table.c.due_at - seconds,
                    sent_at=table.c.sent_at - seconds,
                    look_at=table.c.look_at - seconds,
                )
            )

    def item(self, kind: Outgoing) -> Item:
        with self.ledger.read() as tx:
            (item,) = outbox.of_subject(tx, self.run.id, kind)
        return item

    def now(self) -> float:
        """Return the ledger's time."""
        with self.ledger.read() as tx:
            return clock(tx)

    def due_at(self, kind: Outgoing) -> float:
        """Return the time at which the message is due, by the ledger's clock."""
        with self.ledger.read() as tx:
            return float(tx.execute(select(table.c.due_at).where(table.c.kind == kind)).scalar_one())

    def due_in(self, kind: Outgoing) -> float | None:
        """Return the seconds from the creation of the message until it is due; None if it is not due."""
        with self.ledger.read() as tx:
            due = select(table.c.due_at - table.c.created_at).where(table.c.kind == kind)
            found: float | None = tx.execute(due).scalar_one()
        return found

    def refusals(self) -> list[tuple[str, str]]:
        with self.ledger.read() as tx:
            return outbox.refusals(tx, self.run.id)

    @property
    def bodies(self) -> list[str]:
        return self.forge.bodies(self.thread)

    @property
    def writes(self) -> int:
        forge = self.forge
        return len(forge.comments) + len(forge.reactions) + len(forge.statuses) + len(forge.changes)
