"""Two ways to handle a delivery to its end: messages without the sweep, and the sweep without messages."""

from typing import Any

import pytest
import redis

from bot.domain.lifecycle import State
from bot.domain.outcomes import Outcome
from bot.store import deliveries
from tests.journeys.world import COMMENTED, World, shell
from tests.support.waiting import eventually

pytestmark = pytest.mark.alike

CHANGE = shell("echo one > one.txt")
# `forgehand work` without its sweep. The composition root is called directly, because no setting disables it.
WITHOUT_SWEEP = """
import math, pathlib, sys
from bot.app import processes
from bot.app.settings.settings import load
processes.work(load(pathlib.Path(sys.argv[-1])), sweep_every=math.inf)
"""


def _accepted(world: World, number: int) -> str:
    """Post a command and return the id of its delivery when the delivery has its 202."""
    before = len(_comments_sent(world))
    world.say(number, f"/run {CHANGE}")
    # deliveries of the bot's own comments may follow
    row = eventually(lambda: _comments_sent(world)[: -before or None])[-1]
    assert row["status_code"] == 202
    assert _is_unhandled(world, row["guid"]) or world.tasks(number)
    return str(row["guid"])


def _comments_sent(world: World) -> list[dict[str, Any]]:
    """List deliveries of comments, newest first.

    The ping of a new hook arrives at any time, so it is left out.
    """
    return [row for row in world.playground.deliveries() if row["event"] in COMMENTED]


def _is_unhandled(world: World, delivery: str) -> bool:
    with world.ledger.read() as tx:
        return deliveries.get_unanswered(tx, world.playground.forge, delivery) is not None


def _wipe_redis(world: World) -> bool:
    """Empty Redis when it has a message for the worker."""
    with redis.Redis.from_url(world.settings["queue"]["url"]) as client:
        messages = client.llen("forgehand:answer")
        if messages:
            client.flushdb()
        return bool(messages)


def _check_complete_handling(world: World, number: int) -> None:
    task, run = world.task_after_run(1, on=number)
    assert (run.outcome, task.state) == (Outcome.PUSHED, State.SUCCEEDED), run.reason
    assert "\u2705 **" in world.final_comment(number, run)
    eventually(lambda: [row["state"] for row in world.playground.statuses(task.pushed_head)] == ["success"])
    assert [row["head"]["sha"] for row in world.playground.pulls()] == [task.pushed_head]


def test_a_delivery_gets_its_final_comment_by_messages_without_the_sweep(full: World) -> None:
    other = full.playground.open_issue("Another")
    full.start("serve")
    forgotten = _accepted(full, other)
    eventually(lambda: _wipe_redis(full))
    full.start("work", program=("-c", WITHOUT_SWEEP))

    handled = _accepted(full, 1)

    _check_complete_handling(full, 1)
    assert not _is_unhandled(full, handled)
    # The delivery whose message was wiped is still unhandled, because there was no sweep.
    assert _is_unhandled(full, forgotten)
    assert full.tasks(other) == []


def test_a_delivery_gets_its_final_comment_by_the_sweep_if_redis_was_wiped_after_the_202(full: World) -> None:
    full.start("serve")
    delivery = _accepted(full, 1)
    eventually(lambda: _wipe_redis(full))
    assert _is_unhandled(full, delivery)

    full.start("work")

    _check_complete_handling(full, 1)
    assert not _is_unhandled(full, delivery)
