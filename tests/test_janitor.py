"""What is over and still there goes; what a run needs, or what is nowhere else, stays."""

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from bot.janitor import GRACE, Janitor
from bot.model import Run
from bot.presence import alone
from bot.removal import janitors_lock
from bot.sandbox.container import Sandbox
from bot.store import workspaces
from bot.store.ledger import clock
from tests.workshop import FOREVER, Workshop, in_a_workshop, until


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Workshop]:
    with in_a_workshop(tmp_path) as shop:
        yield shop


def _over(shop: Workshop, run: Run, *, since: float = 1.0) -> None:
    """The keep of the run's workspace ended so many seconds ago."""
    with shop.house.ledger.write() as tx:
        workspaces.keep(tx, run.task, clock(tx) - since)


def _folders(shop: Workshop) -> set[str]:
    return set(shop.house.workspaces().folders())


def _start(shop: Workshop, name: str, **labels: str) -> None:
    """A container of the bot's, as a worker that died would leave it."""
    shop.house.engine.start(
        Sandbox(
            name=name,
            image=shop.house.image,
            argv=["sleep", "300"],
            env={},
            mounts=[],
            limits=shop.house.allowance.limits,
            labels={f"forgehand.{key}": value for key, value in labels.items()},
            log_bytes=1 << 20,
        )
    )


def test_only_what_is_past_its_keep_is_removed(shop: Workshop) -> None:
    over, kept = shop.done("echo 1 > one"), shop.done("echo 1 > one")
    _over(shop, over)

    Janitor(shop.house).once()

    assert _folders(shop) == {kept.task}
    assert shop.house.quarantine(over.task).exists()


def test_what_was_never_exported_is_exported_first(shop: Workshop) -> None:
    run = shop.lost("echo 2 > two; echo begun; sleep 300")
    _over(shop, run)

    Janitor(shop.house).once()

    assert _folders(shop) == set()
    assert shop.saved(run, "wip", "two") == "2\n"


def test_what_cannot_be_exported_stays_for_a_day_and_the_log_says_why(shop: Workshop) -> None:
    run = shop.lost("rm -rf .git; echo begun; sleep 300")
    _over(shop, run)

    with structlog.testing.capture_logs() as first:
        Janitor(shop.house).once()
    stayed = _folders(shop)
    _over(shop, run, since=GRACE + 1)
    with structlog.testing.capture_logs() as second:
        Janitor(shop.house).once()

    assert (stayed, _folders(shop)) == ({run.task}, set())
    told = [(each["event"], "its .git is broken" in each.get("reason", "")) for each in [*first, *second]]
    assert told == [
        ("work could not be exported, the workspace stays for a day", True),
        ("workspace goes with work that could not be exported", True),
        ("workspace removed", False),
    ]


def test_of_two_at_once_one_is_at_work(shop: Workshop) -> None:
    run = shop.done("true")
    _over(shop, run)

    with alone(janitors_lock(shop.house), patience=0):
        Janitor(shop.house).once()
        assert _folders(shop) == {run.task}

    Janitor(shop.house).once()
    assert _folders(shop) == set()


def test_a_removal_that_was_cut_short_is_ended(shop: Workshop) -> None:
    run = shop.done("true")
    shop.house.workspaces().set_aside(run.task)

    Janitor(shop.house).once()

    assert list((shop.house.data / "workspaces").iterdir()) == []
    with shop.house.ledger.read() as tx:
        assert workspaces.present(tx, shop.house.worker.host) == []


def test_a_folder_without_a_workspace_goes_after_a_day(shop: Workshop) -> None:
    kept = shop.done("true")
    for name, age in (("old", GRACE + 60), ("young", 60)):
        folder = shop.house.data / "workspaces" / name
        (folder / "repo").mkdir(parents=True)
        os.utime(folder, (time.time() - age,) * 2)

    Janitor(shop.house).once()

    assert _folders(shop) == {kept.task, "young"}


def test_a_data_folder_that_is_not_there_proves_nothing(shop: Workshop) -> None:
    run = shop.done("true")
    (shop.house.data / "workspaces").rename(shop.house.data / "elsewhere")

    Janitor(shop.house).once()

    with shop.house.ledger.read() as tx:
        assert [kept.task for kept in workspaces.present(tx, shop.house.worker.host)] == [run.task]


def test_containers_nobody_needs_go_and_those_of_a_running_run_stay(shop: Workshop) -> None:
    ended = shop.done("true")
    run = shop.claimed()
    janitor = Janitor(shop.house, look_every=0, orphaned=0.2)

    with shop.busy(shop.agent(FOREVER), run) as stopping:
        until(lambda: b"begun" in shop.printed(run))
        for name, of in (("forgehand-x-1", "x-1"), (f"forgehand-{ended.id}", ended.id)):
            _start(shop, name, run=of)
        stale, current = (f"forgehand-{run.id}-{epoch}-export" for epoch in (run.epoch - 1, run.epoch))
        for name in (stale, current, f"forgehand-{ended.task}.gone-c0ffee00"):
            _start(shop, name)
        janitor.once()
        before = len(shop.containers())
        threading.Event().wait(0.3)
        janitor.once()
        left = set(shop.containers())
        stopping.set()

    assert before == 6
    assert left == {f"forgehand-{run.id}", current, f"forgehand-{ended.task}.gone-c0ffee00"}
