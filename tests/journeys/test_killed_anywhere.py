"""The worker is killed at every boundary of a run, as the ledger and the forge show it from outside."""

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import pytest
from sqlalchemy import select

from bot.model import Outcome, Phase, Run, State, Task
from bot.store import outbox
from bot.store.ledger import clock
from bot.store.outbox import Outgoing
from bot.store.schema import senders
from tests.journeys.world import World, eventually, paced, shell

# One commit of its own, and one file it leaves to be committed.
CHANGE = """
echo started >>"$HOME/starts"
echo one >one.txt
git add one.txt
git commit -qm 'Write one'
echo two >two.txt
"""
TIMES = 20  # kills at each boundary in the long test
LEASE = 2.0  # seconds; a sender's is four of these, a dead one's place is free after one
LATER = 0.3  # seconds after the boundary, at most


@dataclass(frozen=True)
class Seen:
    """What stands in the ledger and on the forge of one thread's task, at this instant."""

    world: World
    task: Task
    run: Run

    @property
    def at_remote(self) -> str | None:
        return self.world.playground.branch_head(self.task.branch)

    def posted(self, kind: Outgoing) -> bool:
        marker = f"<!-- forgehand:{kind}:{self.run.id} -->"
        return any(marker in body for body in self.world.bot_comments(self.task.thread.number))

    def sent(self, kind: Outgoing) -> bool:
        with self.world.ledger.read() as tx:
            items = outbox.of_subject(tx, self.run.id, kind)
            return bool(items) and not outbox.unsent(tx, self.run.id, kind)

    def entered(self, phase: Phase) -> bool:
        return phase in self.world.phases(self.run)


BOUNDARIES: Mapping[str, Callable[[Seen], object]] = {
    "queued": lambda seen: True,
    "claimed": lambda seen: seen.run.epoch,
    "in prepare": lambda seen: seen.entered(Phase.PREPARE),
    "branch settled": lambda seen: seen.task.base_head,
    "in agent": lambda seen: seen.entered(Phase.AGENT),
    "agent started": lambda seen: seen.run.agent_started,
    "in export": lambda seen: seen.entered(Phase.EXPORT),
    "checked": lambda seen: seen.task.checked_head,
    "in push": lambda seen: seen.entered(Phase.PUSH),
    "at the remote": lambda seen: seen.at_remote,
    "pushed": lambda seen: seen.task.pushed_head,
    "ended": lambda seen: seen.run.ended_at,
    "change opened": lambda seen: seen.world.playground.pulls(),
    "change recorded": lambda seen: seen.sent(Outgoing.CHANGE),
    "final posted": lambda seen: seen.posted(Outgoing.FINAL),
    "final recorded": lambda seen: seen.sent(Outgoing.FINAL),
}
BEFORE = ["claimed", "in prepare", "in agent", "agent started", "in export", "checked"]
AFTER = ["in push", "at the remote", "pushed", "ended", "change opened", "final posted", "final recorded"]


@pytest.fixture
def forge() -> str:
    """A boundary is one of the bot's own."""
    return "github"


@pytest.fixture
def worker(full: World) -> Callable[[], object]:
    """Starts one that looks often for what a dead one left."""
    full.start("serve")
    return partial(full.start, "work", program=paced(lease=LEASE))


def killed_at(world: World, boundary: str, thread: int, *, later: float) -> Task:
    """The task of a command whose worker, the last process there is, died at this boundary."""
    pulls = len(world.playground.pulls())
    world.say(thread, f"/run {shell(CHANGE)}")

    def reached() -> Task | None:
        for task in world.tasks(thread):
            seen = Seen(world, task, world.runs(task)[0])
            if boundary == "change opened":
                return task if len(world.playground.pulls()) > pulls else None
            return task if BOUNDARIES[boundary](seen) else None
        return None

    task = eventually(reached, every=0)
    time.sleep(later)
    world.kill(world.processes[-1])
    eventually(lambda: may_be_told(world))
    return task


def may_be_told(world: World) -> bool:
    """Else the next worker would find the dead one's place as sender taken, and look again in ten seconds."""
    with world.ledger.read() as tx:
        soon = clock(tx) + 3 * LEASE
        return not tx.execute(select(senders.c.holder).where(senders.c.until > soon)).all()


def all_is_there_once(world: World, killed: Task) -> None:
    thread = killed.thread.number
    task, run = world.task_after_run(1, on=thread)
    assert (task.id, run.outcome, task.state) == (killed.id, Outcome.PUSHED, State.SUCCEEDED), run.reason
    world.final_comment(thread, run)
    eventually(lambda: not untold(world, run))
    assert len(world.tasks(thread)) == len(world.runs(task)) == 1
    assert (world.in_workspace(task) / "home" / "starts").read_text() == "started\n"
    assert branches(world, thread) == [task.branch]
    assert world.playground.branch_head(task.branch) == task.pushed_head
    subjects = world.git("log", "--format=%s", f"{task.base_head}..{task.pushed_head}").splitlines()
    assert (len(subjects), subjects[-1]) == (2, "Write one")
    assert world.git("show", f"{task.pushed_head}:one.txt", f"{task.pushed_head}:two.txt") == "one\ntwo"
    assert [pull["head"]["sha"] for pull in world.playground.pulls()].count(task.pushed_head) == 1
    for kind in (Outgoing.FINAL, Outgoing.PROGRESS):
        marker = f"<!-- forgehand:{kind}:{run.id} -->"
        assert sum(marker in body for body in world.bot_comments(thread)) <= 1
    eventually(lambda: not world.containers())


def untold(world: World, run: Run) -> bool:
    kinds = (Outgoing.STATUS, Outgoing.CHANGE, Outgoing.FINAL)
    with world.ledger.read() as tx:
        return any(outbox.unsent(tx, run.id, kind) for kind in kinds)


def branches(world: World, thread: int) -> list[str]:
    ours = f"refs/remotes/origin/forgehand/{thread}-*"
    return world.git("for-each-ref", "--format=%(refname:lstrip=3)", ours).split()


@pytest.mark.parametrize("boundaries", [BEFORE, AFTER], ids=["before the push", "from the push on"])
@pytest.mark.long
def test_one_kill_at_each_boundary_loses_nothing_and_doubles_nothing(
    full: World, worker: Callable[[], object], boundaries: list[str]
) -> None:
    worker()
    for boundary in boundaries:
        killed = killed_at(full, boundary, full.playground.open_issue(boundary), later=0)
        worker()
        all_is_there_once(full, killed)


@pytest.mark.long
@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_nor_do_twenty_soon_after_it(full: World, worker: Callable[[], object], boundary: str) -> None:
    worker()
    for number in range(TIMES):
        thread = full.playground.open_issue(f"{boundary} {number}")
        killed = killed_at(full, boundary, thread, later=random.uniform(0, LATER))
        worker()
        all_is_there_once(full, killed)
