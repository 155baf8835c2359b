"""Kills of the worker at every boundary of a run: right before or right after the commit of each fact.

These are all the boundaries. The next worker finds the ledger and the effects outside it (a
workspace, a sandbox, objects, a branch, a change, a comment). A commit records each effect. A kill
before that commit leaves an unrecorded effect; a kill after it leaves the next effect undone.
"""

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import select

from bot.domain.lifecycle import Phase, State
from bot.domain.outcomes import Outcome
from bot.domain.task import Task
from bot.runs.crash_leftovers import remove_files
from bot.store import outbox
from bot.store.data_folder import DataFolder
from bot.store.ledger import clock
from bot.store.outbox import Outgoing
from bot.store.schema import senders
from tests.journeys import killed_bot
from tests.journeys.forked_bot import Process
from tests.journeys.world import World, shell
from tests.runs.crash_files import crash_files
from tests.support.waiting import eventually

Worker = Process

# An agent that makes one commit and leaves one file uncommitted.
CHANGE = """
echo started >>"$HOME/starts"
echo one >one.txt
git add one.txt
git commit -qm 'Write one'
echo two >two.txt
"""
TIMES = 20  # kills at each boundary in the long test
PARTS = 4  # parts of the long test of one kill at each boundary, so that no single test is long
LATER = 0.5  # seconds after the boundary, at most


@dataclass(frozen=True)
class Boundary:
    """A boundary. `fact` is an SQL condition on a run and its task.

    `before`: it is true, but not yet committed.
    """

    fact: str
    before: bool = False


def entered(phase: Phase) -> str:
    return f"EXISTS (SELECT 1 FROM phases WHERE run = runs.id AND phase = '{phase}')"


def sent(kind: Outgoing) -> str:
    return f"EXISTS (SELECT 1 FROM outbox WHERE subject = runs.id AND kind = '{kind}' AND sent_at > 0)"


BOUNDARIES: Mapping[str, Boundary] = {
    "queued": Boundary("TRUE"),
    "claimed": Boundary("epoch > 0"),
    "in prepare": Boundary(entered(Phase.PREPARE)),
    "branch settled": Boundary("base_head <> ''"),
    "workspace created": Boundary(entered(Phase.AGENT), before=True),
    "in agent": Boundary(entered(Phase.AGENT)),
    "sandbox started": Boundary("agent_started", before=True),
    "agent started": Boundary("agent_started"),
    "agent ended": Boundary(entered(Phase.EXPORT), before=True),
    "in export": Boundary(entered(Phase.EXPORT)),
    "exported": Boundary("checked_head <> ''", before=True),
    "checked": Boundary("checked_head <> ''"),
    "in push": Boundary(entered(Phase.PUSH)),
    "at the remote": Boundary("pushed_head <> ''", before=True),
    "pushed": Boundary("pushed_head <> ''"),
    "ended": Boundary("ended_at > 0"),
    "change opened": Boundary("change_number > 0", before=True),
    "change recorded": Boundary(sent(Outgoing.CHANGE)),
    "final posted": Boundary(sent(Outgoing.FINAL), before=True),
    "final recorded": Boundary(sent(Outgoing.FINAL)),
}

# The effects that a second worker could lose or double: a sandbox, objects, a branch, a change, a comment.
# Each exists and is not yet recorded.
EFFECTS = ("sandbox started", "exported", "at the remote", "change opened", "final posted")


@pytest.fixture
def forge() -> str:
    """Use one forge: the boundaries are inside the bot."""
    return "github"


PROGRAM = [str(Path(killed_bot.__file__))]  # looks often for runs of a dead worker


def killed_at(world: World, worker: Worker, boundary: str, *, later: float = 0.0) -> Task:
    """Start a task whose only worker dies at this boundary, then start another worker."""
    thread = world.playground.open_issue(boundary)
    at = BOUNDARIES[boundary]
    of_thread = "FROM runs JOIN tasks ON tasks.id = task JOIN threads ON threads.key = tasks.thread_key"
    order = {
        "sql": f"SELECT 1 {of_thread} WHERE threads.number = {thread} AND {at.fact}",
        "before": at.before,
        "later": later,
    }
    path = world.folder / killed_bot.ORDER
    path.with_suffix(".new").write_text(json.dumps(order))
    path.with_suffix(".new").rename(path)
    world.say(thread, f"/run {shell(CHANGE)}")
    eventually(lambda: not path.exists())
    eventually(lambda: sender_has_almost_expired(world), every=0.2)
    worker.send_signal(killed_bot.AGAIN)
    return eventually(lambda: world.tasks(thread))[0]


def sender_has_almost_expired(world: World) -> bool:
    """Return True when the dead sender's place is about to expire.

    Otherwise the next worker would find it taken and retry in ten seconds.
    """
    with world.ledger.read() as tx:
        soon = clock(tx) + 3 * killed_bot.LEASE
        return not tx.execute(select(senders.c.holder).where(senders.c.until > soon)).all()


def check_single_effects(world: World, killed: Task) -> None:
    thread = killed.thread.number
    eventually(lambda: every_report_is_sent(world, thread), every=0.2)
    task, run = world.task_after_run(1, on=thread)
    ended = (task.id, run.outcome, task.state)
    assert ended == (killed.id, Outcome.PUSHED, State.SUCCEEDED), f"{run.reason}\n{world.output()}"
    world.final_comment(thread, run)
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
    eventually(lambda: not world.containers(), every=0.5)


def every_report_is_sent(world: World, thread: int) -> bool:
    [task] = world.tasks(thread)
    [run] = world.runs(task)
    kinds = (Outgoing.STATUS, Outgoing.CHANGE, Outgoing.FINAL)
    with world.ledger.read() as tx:
        return run.ended_at is not None and not any(outbox.unsent(tx, run.id, kind) for kind in kinds)


def branches(world: World, thread: int) -> list[str]:
    ours = f"refs/remotes/origin/forgehand/{thread}-*"
    return world.git("for-each-ref", "--format=%(refname:lstrip=3)", ours).split()


def kill_once_at_each(world: World, boundaries: Sequence[str]) -> None:
    bot = world.start("up", program=PROGRAM)
    for boundary in boundaries:
        check_single_effects(world, killed_at(world, bot, boundary))
    data = DataFolder(world.data)
    remove_files(data, world.ledger, new=0, in_use=0)
    [lock] = crash_files(data)
    assert lock.parent == data.workers  # of the process that lives


def test_one_kill_after_each_external_effect_loses_nothing_and_duplicates_nothing(
    embedded: World,
) -> None:
    kill_once_at_each(embedded, EFFECTS)


@pytest.mark.long
@pytest.mark.parametrize("part", range(PARTS))
def test_one_kill_at_each_boundary_loses_nothing_and_duplicates_nothing(embedded: World, part: int) -> None:
    kill_once_at_each(embedded, list(BOUNDARIES)[part::PARTS])


@pytest.mark.long
@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_twenty_kills_soon_after_each_boundary_lose_nothing_and_duplicate_nothing(
    full: World, boundary: str
) -> None:
    full.start("serve")
    worker = full.start("work", program=PROGRAM)
    for _ in range(TIMES):
        check_single_effects(full, killed_at(full, worker, boundary, later=random.uniform(0, LATER)))
