"""Room for a run: the most expendable workspaces make it, and nothing is lost by that."""

import shutil
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bot.model import Outcome, Run
from bot.run import execute
from bot.store import workspaces
from bot.store.ledger import clock
from tests.workshop import Workshop, in_a_workshop

SPARE = 64 << 20  # bytes: others on this machine come and go with files of their own
BIG = "head -c 192M /dev/zero > big; echo big > .gitignore"


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Workshop]:
    with in_a_workshop(tmp_path) as shop:
        yield shop


def _kept(shop: Workshop, *runs: Run) -> list[bool]:
    """Of which of these runs the workspace is still there."""
    with shop.house.ledger.read() as tx:
        there = {kept.task for kept in workspaces.present(tx, shop.house.worker.host)}
    return [run.task in there for run in runs]


def test_the_order_is_succeeded_first_and_then_the_oldest(shop: Workshop) -> None:
    failed, pushed, nothing = shop.done("exit 3"), shop.done("echo 1 > one"), shop.done("true")
    waiting = shop.claimed()
    with shop.house.ledger.write() as tx:
        workspaces.in_use(tx, waiting.task, shop.house.worker.host)

        assert workspaces.expendable(tx, shop.house.worker.host) == [pushed.task, nothing.task, failed.task]


def test_as_many_go_as_room_is_needed_for(shop: Workshop) -> None:
    failed, done, later = shop.done("exit 3"), shop.done(f"{BIG}; echo 1 > one"), shop.done("echo 1 > one")
    floor = shutil.disk_usage(shop.house.data).free + SPARE
    run = shop.claimed()

    execute(replace(shop.agent("true"), free_space=floor), run, threading.Event())

    assert shop.now(run).outcome is Outcome.NO_CHANGES
    assert _kept(shop, done, later, failed, run) == [False, True, True, True]


def test_what_is_nowhere_else_is_exported_before_it_goes(shop: Workshop) -> None:
    lost = shop.lost("echo 1 > one; git add one; git commit -qm one; echo begun; sleep 300")
    stuck = shop.lost("rm -rf .git; echo begun; sleep 300")
    run = shop.claimed()

    execute(replace(shop.house, free_space=1 << 60), run, threading.Event())

    assert shop.now(run).outcome is Outcome.PREPARE_FAILED
    assert "MiB are free for workspaces" in shop.now(run).reason
    assert _kept(shop, lost, stuck) == [False, True]
    assert shop.saved(lost, "checked", "one") == "1\n"


def test_with_room_enough_nothing_goes_before_its_time(shop: Workshop) -> None:
    done = shop.done("echo 1 > one")
    with shop.house.ledger.read() as tx:
        kept = workspaces.get(tx, done.task)
        assert kept is not None
        assert kept.keep_until is not None
        assert kept.keep_until > clock(tx)

    shop.done("true")

    assert _kept(shop, done) == [True]
