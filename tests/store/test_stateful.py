"""Claim, lease, cancel and resume, with steps in random order.

Hypothesis plays people and workers on a ledger, one transaction at a time. A
worker may die between any two of its transactions, or come back after its time.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule
from sqlalchemy import Connection, Row, select, update

from bot.domain.errors import LeaseLost, NotPossible
from bot.domain.lifecycle import ENDED, Phase, State
from bot.domain.outcomes import ENDINGS, Outcome
from bot.domain.thread import Actor, ReplyTarget, Thread
from bot.store import causes, claims, leases, runs, tasks, workspaces
from bot.store.claims import Worker
from bot.store.leases import Lease
from bot.store.schema import runs as table
from bot.tasks import cancel, enqueue, retention
from bot.tasks.enqueue import RunRequest
from tests.store.stateful import WHICH, Week, run_sequences
from tests.support.rows import a_thread, a_worker

PER_REPOSITORY, PER_HOST = 2, 2
# Three of one repository.
THREADS = [a_thread(number, repository=max(number, 3) - 2) for number in range(1, 5)]
STALE_WRITES: list[Callable[[Connection, Lease], object]] = [
    lambda tx, lease: leases.write(tx, lease, summary="stale"),
    lambda tx, lease: leases.renew(tx, lease),
    lambda tx, lease: leases.release(tx, lease),
    lambda tx, lease: leases.enter(tx, lease, Phase.REPORT),
    lambda tx, lease: leases.end(tx, lease, Outcome.PUSHED, State.SUCCEEDED, "stale"),
    lambda tx, lease: leases.is_cancel_asked(tx, lease),
]


def new_worker(number: int, host: str) -> Worker:
    return a_worker(f"w{number}", host=host, per_repository=PER_REPOSITORY, per_host=PER_HOST)


def run_request(number: int, text: str) -> RunRequest:
    ann = Actor(id=7, login="ann")
    return RunRequest(
        text=text, context=(), reply_target=ReplyTarget(), actor=ann, cause=f"comment:{number}", wall_limit=9
    )


class Runs(Week):
    """A model of the ledger: the accepted commands, and the holder of each lease."""

    def __init__(self) -> None:
        super().__init__()
        self.accepted: dict[int, bool] = {}  # commands by number
        self.workers = [new_worker(number, f"h{number % 2 + 1}") for number in range(4)]
        self.dead: set[str] = set()
        self.held: dict[str, tuple[Lease, str]] = {}  # by running run; "" = released
        self.late: set[str] = set()  # runs whose lease is over
        self.stale: list[Lease] = []
        self.ended: dict[str, Row[Any]] = {}

    @initialize()
    def start_with_work(self) -> None:
        for number in range(6):
            self.give_command(number, THREADS[number % 4], 0)
        for which in range(3):
            self.claim_run(which)

    @rule(number=st.integers(0, 30), thread=st.sampled_from(THREADS), verb=WHICH)
    def give_command(self, number: int, thread: Thread, verb: int) -> None:
        """Give a new or a repeated command: /run, or /resume of the thread's task, with or without text."""
        with self.ledger.write() as tx:
            first = causes.add(tx, thread.forge, 0, f"comment:{number}")
            assert first == (number not in self.accepted)
            if not first:
                return
            known = tasks.of_thread(tx, thread.key)
            try:
                if verb % 3 and known:
                    enqueue.resume(tx, known[verb % len(known)], run_request(number, "more" * (verb % 2)))
                else:
                    request = replace(run_request(number, "tidy"), agent="demo")
                    enqueue.open_task(tx, f"t{number}", thread, request)
            except NotPossible:
                self.accepted[number] = False
            else:
                self.accepted[number] = True

    @rule(which=WHICH)
    def cancel_run(self, which: int) -> None:
        with self.ledger.write() as tx:
            if not (known := tasks.newest(tx, 99)):
                return
            run = runs.newest(tx, known[which % len(known)].id)
            try:
                task = cancel.cancel(tx, tasks.get(tx, run.task))
            except NotPossible:
                assert run.state in ENDED or run.phase in (Phase.PUSH, Phase.REPORT)
            else:
                assert run.phase not in (Phase.PUSH, Phase.REPORT) or run.state is State.QUEUED
                stands = State.CANCELLED if run.state is State.QUEUED else State.RUNNING
                assert (task.state, runs.get(tx, run.id).cancel_asked) == (stands, True)

    @rule(which=WHICH)
    def claim_run(self, which: int) -> None:
        worker = self.workers[which % 4]
        with self.ledger.write() as tx:
            run = claims.claim_next(tx, worker)
            if run:
                workspaces.mark_in_use(tx, run.task, worker.host)
        if run:
            assert run.id not in self.held
            self.held[run.id] = Lease(run.id, run.epoch), worker.holder

    @rule(which=WHICH)
    def take_over_run(self, which: int) -> None:
        worker = self.workers[which % 4]
        with self.ledger.write() as tx:
            run = claims.take_over(tx, worker, self.dead.__contains__)
        if run:
            lease, holder = self.held[run.id]
            assert not holder or holder in self.dead or run.id in self.late
            self.late.discard(run.id)
            self.stale.append(lease)
            self.held[run.id] = Lease(run.id, run.epoch), worker.holder

    def active_leases(self) -> list[Lease]:
        """Return the leases of living workers; they may have expired, but nobody has taken them over."""
        return [lease for lease, holder in self.held.values() if holder and holder not in self.dead]

    @precondition(lambda self: bool(self.active_leases()))
    @rule(which=WHICH)
    def enter_next_phase(self, which: int) -> None:
        lease = self.active_leases()[which % len(self.active_leases())]
        with self.ledger.write() as tx:
            leases.renew(tx, lease)
            phase = runs.get(tx, lease.run).phase
            if phase is not Phase.PUSH and not leases.is_cancel_asked(tx, lease):
                leases.enter(tx, lease, list(Phase)[list(Phase).index(phase) + 1])
        self.late.discard(lease.run)

    @precondition(lambda self: bool(self.active_leases()))
    @rule(which=WHICH, outcome=st.sampled_from(Outcome))
    def end_run(self, which: int, outcome: Outcome) -> None:
        lease = self.active_leases()[which % len(self.active_leases())]
        state = ENDINGS[outcome].state
        with self.ledger.write() as tx:
            task = runs.get(tx, lease.run).task
            leases.end(tx, lease, outcome, state, "")
            tasks.change_state(tx, task, state)
            retention.from_now(tx, task, state)
        self.stale.append(lease)
        del self.held[lease.run]

    @precondition(lambda self: bool(self.active_leases()))
    @rule(which=WHICH)
    def release_run(self, which: int) -> None:
        lease = self.active_leases()[which % len(self.active_leases())]
        with self.ledger.write() as tx:
            leases.release(tx, lease)
        self.stale.append(lease)
        self.held[lease.run] = lease, ""

    @rule(which=WHICH)
    def kill_worker(self, which: int) -> None:
        """Kill a worker with all its leases; another one starts on its host."""
        gone = self.workers[which % 4]
        self.dead.add(gone.holder)
        self.workers[which % 4] = new_worker(3 + len(self.dead), gone.host)

    @precondition(lambda self: bool(self.active_leases()))
    @rule(which=WHICH)
    def expire_lease(self, which: int) -> None:
        lease = self.active_leases()[which % len(self.active_leases())]
        with self.ledger.write() as tx:
            tx.execute(update(table).where(table.c.id == lease.run).values(lease_until=1.0))
        self.late.add(lease.run)

    @precondition(lambda self: self.stale)
    @rule(which=WHICH, write=st.sampled_from(STALE_WRITES))
    def write_with_stale_lease(self, which: int, write: Callable[[Connection, Lease], object]) -> None:
        with pytest.raises(LeaseLost), self.ledger.write() as tx:
            write(tx, self.stale[which % len(self.stale)])

    @invariant()
    def check_ledger(self) -> None:
        with self.ledger.read() as tx:
            rows = {row.id: row for row in tx.execute(select(table).order_by(table.c.number))}
            states = {task.id: task.state for task in tasks.newest(tx, 99)}
        running = [row for row in rows.values() if row.state == State.RUNNING]
        for column, most in (("thread_key", 1), ("repository_url", PER_REPOSITORY), ("host", PER_HOST)):
            assert max(Counter(getattr(row, column) for row in running).values(), default=0) <= most
        epochs = {run: lease.epoch + (not holder) for run, (lease, holder) in self.held.items()}
        assert {row.id: row.epoch for row in running} == epochs
        assert all(rows[run] == row for run, row in self.ended.items())  # ended runs never change
        self.ended = {run: row for run, row in rows.items() if row.state in ENDED}
        wanted = [f"comment:{number}" for number, accepted in self.accepted.items() if accepted]
        assert sorted(row.cause for row in rows.values()) == sorted(wanted)
        assert states == {row.task: row.state for row in rows.values()}  # each task's newest comes last

    def teardown(self) -> None:
        """Let the living workers finish every run."""
        for which in [*range(4)] * (len(self.accepted) + 1):
            self.take_over_run(which)
            self.claim_run(which)
            while self.active_leases():
                self.end_run(0, Outcome.PUSHED)
        with self.ledger.read() as tx:
            assert not runs.count_open(tx)
        self.check_ledger()


def test_each_command_is_one_run_with_one_holder_in_any_order_of_steps(sqlite_url: str) -> None:
    run_sequences(Runs, sqlite_url, weeks=12)


@pytest.mark.long
def test_each_command_is_one_run_with_one_holder_in_any_order_on_postgresql(
    postgres_url: Callable[[], str],
) -> None:
    run_sequences(Runs, postgres_url(), weeks=40)
