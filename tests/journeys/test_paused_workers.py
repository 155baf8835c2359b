"""A worker paused for longer than its lease, which resumes when another worker has its run or its thread."""

import signal
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import select

from bot.domain.outcomes import Outcome
from bot.domain.task import Run
from bot.store import outbox
from bot.store.ledger import clock
from bot.store.outbox import Outgoing
from bot.store.schema import senders
from tests.journeys.bot_processes import paced
from tests.journeys.forked_bot import Process
from tests.journeys.test_adoption import check_complete_end, container_of, counting, thread
from tests.journeys.world import HOLD, World, shell
from tests.support.delayed_requests import DelayedRequests
from tests.support.playground_gitlab import AnyPlayground
from tests.support.waiting import eventually

LEASE = 2.0  # seconds


@pytest.fixture
def delayed() -> DelayedRequests:
    """Delay the first comment."""
    return DelayedRequests(
        lambda scope: scope["method"] == "POST" and scope["path"].endswith("/comments"), only_first=True
    )


@pytest.fixture
def playground(tmp_path: Path, delayed: DelayedRequests) -> Iterator[AnyPlayground]:
    with delayed.playground(tmp_path / "forge") as running:
        yield running


@pytest.fixture
def worker(full: World) -> Callable[[], Process]:
    """Start a worker with a short lease."""
    full.start("serve")
    return partial(full.start, "work", program=paced(lease=LEASE))


@pytest.mark.long
def test_a_paused_worker_that_lost_its_lease_changes_nothing_more(
    full: World, worker: Callable[[], Process]
) -> None:
    stale = worker()
    run = counting(full)
    container, before = container_of(run), thread(full)
    stale.send_signal(signal.SIGSTOP)
    worker()
    eventually(lambda: full.now(run).epoch > run.epoch)
    taken = full.now(run)
    eventually(lambda: full.now(run).log_offset > taken.log_offset)
    task = full.tasks()[0]

    stale.send_signal(signal.SIGCONT)

    eventually(lambda: "run was taken over" in full.output())
    assert container_of(run) == container
    assert thread(full) == before
    assert (full.tasks(), full.playground.branch_head(task.branch)) == ([task], None)
    ended = check_complete_end(full, run)
    assert (ended.epoch, len(full.runs())) == (taken.epoch, 1)
    full.settled()
    assert len(finals(full)) == 1


@pytest.mark.long
def test_a_paused_sender_that_lost_its_lease_leaves_only_one_final_comment(
    full: World, worker: Callable[[], Process], delayed: DelayedRequests
) -> None:
    stale = worker()
    full.say(1, "/run " + shell(f"echo one > one.txt; {HOLD}"))
    run = full.until_running()
    eventually(lambda: full.bot_comments(1))
    delayed.delaying.set()
    full.let_continue(run)
    assert delayed.arrived.wait(60)  # this sender's comment is on its way
    stale.send_signal(signal.SIGSTOP)
    eventually(lambda: lease_is_over(full))

    worker()
    eventually(lambda: final_is_sent(full, run))
    assert len(finals(full)) == 1
    delayed.delaying.clear()
    eventually(lambda: len(finals(full)) == 2)
    stale.send_signal(signal.SIGCONT)

    eventually(lambda: len(finals(full)) == 1)
    eventually(lambda: final_is_sent(full, run))
    task, ended = full.task_after_run(1)
    assert (ended.epoch, ended.outcome) == (run.epoch, Outcome.PUSHED), ended.reason
    assert len(full.playground.pulls()) == 1
    assert full.playground.branch_head(task.branch) == task.pushed_head


def lease_is_over(world: World) -> bool:
    with world.ledger.read() as tx:
        return float(tx.execute(select(senders.c.until)).scalar_one()) < clock(tx)


def final_is_sent(world: World, run: Run) -> bool:
    with world.ledger.read() as tx:
        final = outbox.of_subject(tx, run.id, Outgoing.FINAL)
        return bool(final) and not outbox.unsent(tx, run.id, Outgoing.FINAL)


def finals(world: World) -> list[str]:
    return [body for body in world.bot_comments(1) if "forgehand:final:" in body]
