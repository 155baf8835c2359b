"""A run is cancelled while a step of it hangs."""

import fcntl
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from bot.domain.lifecycle import Phase
from bot.domain.outcomes import Outcome
from bot.domain.task import Run
from bot.runs.execute import execute
from bot.runs.workspace_removal import rescue
from bot.sandbox.engine.containers import Engine
from bot.sandbox.export import workspace_export
from bot.tasks.operator import resume_from_cli
from tests.runs.hanging_steps import SOON, WORK, address, is_hanging
from tests.support.hanging import passage
from tests.support.worker_bench import FOREVER, Workshop, until

# Ends only by SIGKILL, and prints as fast as it can until then.
STUBBORN = f"trap '' TERM; {WORK}; echo begun; while :; do echo 'a line like any other'; done"
STAYS = "The agent's work has not been taken out of the workspace yet. It stays there."


def _cancelled(shop: Workshop, run: Run) -> float:
    """Cancel the run; return the seconds until it has ended in the ledger."""
    assert shop.cancel(run)
    asked = time.monotonic()
    until(lambda: shop.now(run).ended_at is not None)
    return time.monotonic() - asked


def _repository(shop: Workshop, run: Run) -> Path:
    return shop.runtime.data.workspace(run.task) / "repo"


def _resumed(shop: Workshop, run: Run, script: str) -> Run:
    with shop.runtime.ledger.write() as tx:
        resume_from_cli(tx, run.task, "go on")
    again = shop.next()
    assert again is not None
    execute(shop.agent(script), again, threading.Event())
    return shop.now(again)


def test_a_cancel_does_not_wait_for_a_remote_that_does_not_answer(
    shop: Workshop, unresponsive: socket.socket, soon: Callable[[str, float], None]
) -> None:
    run = shop.claimed(remote=address(unresponsive))

    with shop.busy(shop.runtime, run), unresponsive.accept()[0]:
        soon("in a fetch", _cancelled(shop, run))

    ended = shop.now(run)
    assert (ended.outcome, ended.reason, ended.agent_started) == (Outcome.CANCELLED, "", False)
    assert [phase for phase, _, _ in shop.phases(run)] == [Phase.PREPARE, Phase.REPORT]


@pytest.mark.long
def test_a_cancel_does_not_wait_for_another_fetch_of_the_repository(
    shop: Workshop, soon: Callable[[str, float], None]
) -> None:
    run = shop.claimed()
    lock = shop.mirror(run).with_suffix(".lock")
    lock.parent.mkdir()
    with lock.open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)

        with shop.busy(shop.runtime, run):
            until(lambda: shop.phases(run) != [])
            soon("while another fetch goes on", _cancelled(shop, run))

    assert shop.now(run).outcome is Outcome.CANCELLED
    assert _resumed(shop, run, "echo 1 > one").outcome is Outcome.PUSHED


def test_a_cancel_does_not_wait_for_a_preparation_and_the_next_run_repairs_the_workspace(
    shop: Workshop, hangs_in_prepare: str, soon: Callable[[str, float], None]
) -> None:
    run = shop.claimed()

    with shop.busy(shop.agent(WORK, tools_image=hangs_in_prepare), run):
        until(lambda: is_hanging(shop, run, "prepare"))
        soon("in a preparation", _cancelled(shop, run))

    assert (shop.now(run).outcome, shop.now(run).reason) == (Outcome.CANCELLED, "")
    assert shop.containers() == []
    assert _resumed(shop, run, "test -e README.md; echo 1 > one").outcome is Outcome.PUSHED


def test_an_agent_that_ignores_the_signal_is_stopped_and_its_work_is_exported(
    shop: Workshop, soon: Callable[[str, float], None]
) -> None:
    run = shop.claimed()
    condition = shop.runtime.engine.condition

    with shop.busy(shop.agent(STUBBORN, log_bytes=1 << 30), run):
        until(lambda: b"begun" in shop.printed(run))
        assert shop.cancel(run)
        asked = time.monotonic()
        until(lambda: not getattr(condition(f"forgehand-{run.id}"), "running", False))
        soon("with a stubborn agent, its container", time.monotonic() - asked)
        until(lambda: shop.now(run).ended_at is not None)
        soon("with a stubborn agent, in the ledger", time.monotonic() - asked)

    ended = shop.now(run)
    assert (ended.outcome, ended.reason) == (Outcome.CANCELLED, "")
    assert (shop.saved(run, "checked", "one"), shop.saved(run, "wip", "two")) == ("1\n", "2\n")
    assert (shop.branches(), shop.containers()) == ([], [])


def _check_rescue(shop: Workshop, run: Run) -> None:
    """Check that no work is exported yet, that all work is in the workspace, and that a rescue exports it."""
    assert not workspace_export.is_done(shop.runtime.quarantine(run.task), run.id)
    assert {"one", "two"} <= {path.name for path in _repository(shop, run).iterdir()}
    assert rescue(shop.runtime, run.task)
    assert (shop.saved(run, "checked", "one"), shop.saved(run, "wip", "two")) == ("1\n", "2\n")


def test_a_cancel_abandons_an_export_that_hangs_and_a_later_export_has_all_work(
    shop: Workshop, hangs_in_export: str, soon: Callable[[str, float], None]
) -> None:
    run = shop.claimed()

    with shop.busy(shop.agent(WORK, tools_image=hangs_in_export), run):
        until(lambda: is_hanging(shop, run, "export"))
        soon("in an export", _cancelled(shop, run))

    ended = shop.now(run)
    assert (ended.outcome, ended.reason, ended.agent_outcome) == (Outcome.CANCELLED, STAYS, None)
    assert (shop.branches(), shop.containers()) == ([], [])
    _check_rescue(shop, run)


@pytest.mark.long
def test_a_cancel_abandons_a_hanging_export_of_a_failed_agent_and_a_resume_has_all_work(
    shop: Workshop, hangs_in_export: str, soon: Callable[[str, float], None]
) -> None:
    run = shop.claimed()

    with shop.busy(shop.agent(f"{WORK}; exit 3", tools_image=hangs_in_export), run):
        until(lambda: is_hanging(shop, run, "export"))
        soon("in the export of an agent that failed", _cancelled(shop, run))

    ended = shop.now(run)
    assert (ended.outcome, ended.agent_outcome) == (Outcome.CANCELLED, Outcome.AGENT_FAILED)
    again = _resumed(shop, run, "cat one two > three")
    assert again.outcome is Outcome.PUSHED, again.reason
    [branch] = shop.branches()
    assert shop.desk.git("ls-tree", "--name-only", branch).split() == ["README.md", "one", "three", "two"]
    assert shop.desk.git("cat-file", "blob", f"{branch}:three") == "1\n2"


def test_a_fifo_in_place_of_the_git_config_does_not_block_an_export(
    shop: Workshop, soon: Callable[[str, float], None]
) -> None:
    run = shop.claimed()

    with shop.busy(shop.agent(f"{WORK}; rm .git/config; mkfifo .git/config"), run):
        until(lambda: shop.now(run).phase is not Phase.PREPARE and shop.now(run).phase is not Phase.AGENT)
        if shop.cancel(run):  # otherwise the export refused the work, and the run has ended
            asked = time.monotonic()
            until(lambda: shop.now(run).ended_at is not None)
            soon("in an export from a fifo", time.monotonic() - asked)

    assert (shop.branches(), shop.containers()) == ([], [])
    assert (_repository(shop, run) / "two").exists()
    again = _resumed(shop, run, "cat one two > three")
    assert again.outcome is Outcome.PUSHED, again.reason


def test_a_hanging_export_of_a_cancelled_agent_is_abandoned_at_its_time_limit(
    shop: Workshop, hangs_in_export: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.runs.execute.EXPORT_OF_CANCELLED", 1.0)
    run = shop.claimed()

    with shop.busy(shop.agent(f"{WORK}; {FOREVER}", tools_image=hangs_in_export), run):
        until(lambda: b"begun" in shop.printed(run))
        took = _cancelled(shop, run)

    ended = shop.now(run)
    assert 1 < took < 1 + SOON
    assert (ended.outcome, ended.agent_outcome) == (Outcome.CANCELLED, Outcome.CANCELLED)
    assert (ended.reason, shop.branches(), shop.containers()) == (STAYS, [], [])
    _check_rescue(shop, run)


def test_a_cancel_does_not_wait_for_an_engine_that_hangs(
    shop: Workshop, tmp_path: Path, soon: Callable[[str, float], None]
) -> None:
    run = shop.claimed()
    with passage(tmp_path / "engine.sock") as engine:
        runtime = shop.agent(f"{WORK}; {FOREVER}")
        runtime = replace(runtime, engine=Engine(url=engine.url, instance=_instance(shop), uid=10001))
        with shop.busy(runtime, run):
            until(lambda: b"begun" in shop.printed(run))
            engine.close_it()
            took = _cancelled(shop, run)
            assert shop.containers() == [f"forgehand-{run.id}"]

    soon("while the engine hangs", took)
    assert (shop.now(run).outcome, shop.now(run).reason) == (Outcome.CANCELLED, STAYS)
    again = _resumed(shop, run, "cat one two > three")  # it first removes the leftovers
    assert again.outcome is Outcome.PUSHED, again.reason
    assert shop.containers() == []


def _instance(shop: Workshop) -> str:
    return shop.runtime.data.instance.read_text().strip()
