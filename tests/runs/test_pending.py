"""A commit with a pending status gets a final one after every kind of end of a run."""

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial

import pytest
from sqlalchemy import select, update

from bot.app.worker import build_sender
from bot.commands import replies
from bot.domain.change import CheckState
from bot.domain.errors import ForgeUnavailable
from bot.domain.event import Commented
from bot.domain.lifecycle import ENDED, Phase
from bot.domain.outcomes import ENDINGS, Outcome
from bot.domain.task import Run
from bot.reports import sender
from bot.runs.execute import execute
from bot.runs.leased_run import LeasedRun
from bot.runs.phases.finish import finish
from bot.runs.runtime import Runtime
from bot.store import claims, hosts, leases, runs, schema, tasks, workspaces
from bot.store.ledger import Ledger
from bot.store.outbox import Outgoing
from bot.tasks import operator
from tests.support.commander import ANN, CHANGE, HEAD, Say, a_change
from tests.support.fakes import FakeForge
from tests.support.rows import a_worker, nobody_is_dead
from tests.support.runtimes import a_runtime

PUSHED = "d" * 40


@dataclass
class Asked:
    """A command on a change, and its run."""

    ledger: Ledger
    forge: FakeForge = field(default_factory=FakeForge)

    @property
    def runtime(self) -> Runtime:
        return a_runtime(self.ledger, self.forge)

    def say(self, words: str) -> Run:
        """Give this command as a person, and reply to it. Return the newest run."""
        say = Say(self.ledger)
        reply = say(words, thread=CHANGE, change=a_change())
        _, run = say.newest(CHANGE)
        if run.state not in ENDED:
            event = Commented(
                cause=run.cause,
                thread=CHANGE,
                actor=ANN,
                at=datetime.now(UTC),
                context=(),
                reply_target=run.reply_target,
                body=words,
            )
            with self.ledger.write() as tx:
                replies.accept(tx, event, reply, (), str)
        return run

    def claim(self, *phases: Phase) -> Run:
        """Claim the next run by worker w1 of host h1, and enter these phases."""
        with self.ledger.write() as tx:
            run = claims.claim_next(tx, a_worker())
            assert run is not None
            workspaces.mark_in_use(tx, run.task, "h1")
            for phase in phases:
                leases.enter(tx, leases.Lease(run.id, run.epoch), phase)
            return runs.get(tx, run.id)

    def settle(self, outcome: Outcome) -> None:
        run = self.claim()
        with self.ledger.read() as tx:
            leased = LeasedRun(self.runtime, run, tasks.get(tx, run.task), threading.Event())
        if outcome is Outcome.PUSHED:
            leased.record(checked_head=PUSHED, pushed_head=PUSHED)
        finish(leased, outcome, "", "/resume")

    def cancel(self) -> None:
        self.say("/cancel")

    def cancel_here(self) -> None:
        with self.ledger.write() as tx:
            operator.cancel_from_cli(tx, tasks.of_thread(tx, CHANGE.key)[0].id)

    def fail_before_the_agent(self) -> None:
        execute(self.runtime, self.claim(), threading.Event())  # the runtime has no data folder

    def lose_three_workers(self) -> None:
        run = self.claim(Phase.AGENT)
        with self.ledger.write() as tx:
            leases.write(tx, leases.Lease(run.id, run.epoch), takeovers=leases.TAKEOVERS)
        execute(self.runtime, run, threading.Event())

    def lose_the_host(self) -> None:
        self.claim(Phase.AGENT)
        there = replace(a_worker("w2", host="h2"))
        with self.ledger.write() as tx:
            hosts.record_seen(tx, "h1", "f1", 60)
            tx.execute(update(schema.hosts).values(seen_at=1.0))
            tx.execute(update(schema.runs).values(lease_until=1.0))
            run = claims.take_over(tx, there, nobody_is_dead)
        assert run is not None
        execute(replace(self.runtime, worker=there), run, threading.Event())


ENDS: dict[str, Callable[[Asked], None]] = {
    **{str(outcome): partial(Asked.settle, outcome=outcome) for outcome in Outcome},
    "cancelled before it began": Asked.cancel,
    "cancelled by the operator before it began": Asked.cancel_here,
    "failed before the agent": Asked.fail_before_the_agent,
    "lost three workers": Asked.lose_three_workers,
    "lost its host": Asked.lose_the_host,
}
# These ends search the engine for leftovers.
IN_THE_ENGINE = {"failed before the agent", "lost three workers", "lost its host"}


# The first outcome of each state: others of the same state end a run in the same way.
# A run that waits for a person has a pending status, too.
ENDED_STATUSES = {ending.sentence for ending in ENDINGS.values()}
SETTLED = {str(next(each for each in Outcome if ENDINGS[each].state is state)) for state in ENDED}


def ends(*names: str) -> list[pytest.ParameterSet]:
    return [pytest.param(name, marks=_marks(name)) for name in names]


def _marks(name: str) -> list[pytest.MarkDecorator]:
    is_alike = name in set(Outcome) - SETTLED
    return [pytest.mark.waits] * (name in IN_THE_ENGINE) + [pytest.mark.long] * is_alike


@pytest.fixture
def asked(sqlite_ledger: Ledger) -> Asked:
    return Asked(sqlite_ledger)


def _check_final_statuses(asked: Asked) -> None:
    """Check that no status is due any more, and that the last status of each commit is final."""
    sender.send(build_sender(asked.runtime), CHANGE.key)
    last = {sha: status.description for sha, status in asked.forge.statuses}
    assert HEAD in last
    assert set(last.values()) <= ENDED_STATUSES
    rows = select(schema.outbox).where(schema.outbox.c.kind == Outgoing.STATUS)
    with asked.ledger.read() as tx:
        for row in tx.execute(rows):
            assert json.loads(row.content)["description"] in ENDED_STATUSES
            assert (row.due_at, row.sent_version) == (None, row.version)


@pytest.mark.parametrize("end", ends(*ENDS))
def test_every_end_of_a_run_replaces_its_pending_status(asked: Asked, end: str) -> None:
    asked.say("/run tidy it")
    sender.send(build_sender(asked.runtime), CHANGE.key)
    assert [status.verdict for _, status in asked.forge.statuses] == [CheckState.PENDING]

    ENDS[end](asked)

    _check_final_statuses(asked)


@pytest.mark.parametrize("end", ends(*ENDS))
def test_a_pending_status_that_the_forge_did_not_confirm_is_replaced(asked: Asked, end: str) -> None:
    def disconnect() -> None:
        raise ForgeUnavailable("The line went dead.")

    asked.forge.after = disconnect
    asked.say("/run tidy it")
    sender.send(build_sender(asked.runtime), CHANGE.key)
    asked.forge.after = lambda: None
    assert [status.verdict for _, status in asked.forge.statuses] == [CheckState.PENDING]

    ENDS[end](asked)

    _check_final_statuses(asked)


@pytest.mark.parametrize("again", ["/retry", "/resume go on"])
@pytest.mark.parametrize("end", ends("agent_failed", "cancelled before it began", "lost its host"))
def test_the_pending_status_of_the_next_run_is_replaced(asked: Asked, again: str, end: str) -> None:
    asked.say("/run tidy it")
    ENDS[end](asked)
    asked.say(again)
    sender.send(build_sender(asked.runtime), CHANGE.key)
    assert asked.forge.statuses[-1][1].verdict is CheckState.PENDING

    asked.cancel()

    _check_final_statuses(asked)
