"""A run is cancelled, stopped or taken over while a step of it hangs."""

import fcntl
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from bot.domain.lifecycle import Phase, State
from bot.domain.outcomes import Outcome
from bot.domain.task import Run
from bot.runs.execute import execute
from bot.runs.leased_run import take_up
from bot.runs.phases.export import export_plan
from bot.runs.runtime import Runtime
from bot.runs.workspace_removal import rescue
from bot.sandbox.engine.containers import Engine
from bot.sandbox.export import workspace_export
from bot.tasks.operator import resume_from_cli
from tests.support.cli_sandbox import LONG
from tests.support.hanging import git_hangs, passage
from tests.support.worker_bench import FOREVER, Workshop, in_a_workshop, until

# Seconds. A cancel takes effect within five; the rest allows for a busy machine. A step that hangs here
# hangs for five minutes.
SOON = 30.0
WORK = "echo 1 > one; git add one; git commit -qm one; echo 2 > two"
# Ends only by SIGKILL, and prints as fast as it can until then.
STUBBORN = f"trap '' TERM; {WORK}; echo begun; while :; do echo 'a line like any other'; done"
STAYS = "The agent's work has not been taken out of the workspace yet. It stays there."


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Workshop]:
    with in_a_workshop(tmp_path) as shop:
        yield shop


@pytest.fixture(scope="module")
def hangs_in_prepare() -> Iterator[str]:
    with git_hangs("prepare") as image:
        yield image


@pytest.fixture(scope="module")
def hangs_in_export() -> Iterator[str]:
    with git_hangs("export") as image:
        yield image


@pytest.fixture
def unresponsive() -> Iterator[socket.socket]:
    """A remote that accepts a connection and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(LONG)
        yield server


@pytest.fixture
def soon(record_property: Callable[[str, object], None]) -> Callable[[str, float], None]:
    """Record how many seconds a cancel took in this situation, and fail if that is too long."""

    def figure(where: str, seconds: float) -> None:
        record_property("figure", f"cancelled {where}: {seconds:.2f} s (promised: 5 s)")
        assert seconds < SOON, where

    return figure


def _cancelled(shop: Workshop, run: Run) -> float:
    """Cancel the run; return the seconds until it has ended in the ledger."""
    assert shop.cancel(run)
    asked = time.monotonic()
    until(lambda: shop.now(run).ended_at is not None)
    return time.monotonic() - asked


@contextmanager
def _stopped_within(seconds: float, shop: Workshop, runtime: Runtime, run: Run) -> Iterator[None]:
    """Run a worker for this run, and stop it after the block: it has to stop in time."""
    stopping = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        work = pool.submit(execute, runtime, run, stopping)
        try:
            yield
        finally:
            stopping.set()
            asked = time.monotonic()
        work.result(LONG)
    assert time.monotonic() - asked < seconds
    assert shop.now(run).state is State.RUNNING


def _finish(shop: Workshop, runtime: Runtime) -> Run:
    """Let the next worker finish the run."""
    again, _ = shop.taken_over("next")
    execute(replace(runtime, worker=replace(runtime.worker, holder="next")), again, threading.Event())
    return shop.now(again)


def _repository(shop: Workshop, run: Run) -> Path:
    return shop.runtime.data.workspace(run.task) / "repo"


def _resumed(shop: Workshop, run: Run, script: str) -> Run:
    with shop.runtime.ledger.write() as tx:
        resume_from_cli(tx, run.task, "go on")
    again = shop.next()
    assert again is not None
    execute(shop.agent(script), again, threading.Event())
    return shop.now(again)


def _is_hanging(shop: Workshop, run: Run, helper: str) -> bool:
    """Return whether the run's container with this name is running."""
    condition = shop.runtime.engine.condition(f"forgehand-{run.id}-{run.epoch}-{helper}")
    return condition is not None and condition.running


def _url(server: socket.socket) -> str:
    return f"http://127.0.0.1:{server.getsockname()[1]}/anvil"


def test_a_cancel_does_not_wait_for_a_remote_that_does_not_answer(
    shop: Workshop, unresponsive: socket.socket, soon: Callable[[str, float], None]
) -> None:
    run = shop.claimed(remote=_url(unresponsive))

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
        until(lambda: _is_hanging(shop, run, "prepare"))
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
        until(lambda: _is_hanging(shop, run, "export"))
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
        until(lambda: _is_hanging(shop, run, "export"))
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


@pytest.mark.long
def test_a_stopping_worker_abandons_a_fetch_at_once_and_the_next_worker_fetches(
    shop: Workshop, unresponsive: socket.socket
) -> None:
    run = shop.claimed(remote=_url(unresponsive))

    with _stopped_within(SOON, shop, shop.runtime, run), unresponsive.accept()[0]:
        pass

    again, runtime = shop.taken_over("next")
    with shop.busy(runtime, again), unresponsive.accept()[0]:
        assert shop.cancel(again)


@pytest.mark.long
def test_a_stopping_worker_abandons_a_preparation_and_the_next_worker_repeats_it(
    shop: Workshop, hangs_in_prepare: str
) -> None:
    run = shop.claimed()
    with _stopped_within(SOON, shop, shop.agent(WORK, tools_image=hangs_in_prepare), run):
        until(lambda: _is_hanging(shop, run, "prepare"))
    assert shop.containers() == []

    ended = _finish(shop, shop.agent(WORK))

    assert (ended.outcome, ended.takeovers) == (Outcome.PUSHED, 0)


def test_a_stopping_worker_abandons_an_export_and_the_next_worker_repeats_it(
    shop: Workshop, hangs_in_export: str
) -> None:
    run = shop.claimed()
    with _stopped_within(SOON, shop, shop.agent(WORK, tools_image=hangs_in_export), run):
        until(lambda: _is_hanging(shop, run, "export"))
    assert (shop.containers(), shop.now(run).phase) == ([], Phase.EXPORT)

    ended = _finish(shop, shop.agent("exit 7"))  # no agent starts again

    assert (ended.outcome, ended.takeovers) == (Outcome.PUSHED, 0)
    assert shop.desk.git("cat-file", "blob", f"{shop.task(run).branch}:two") == "2"


def test_a_stopping_worker_abandons_a_push_and_the_next_worker_repeats_it(shop: Workshop) -> None:
    hook = shop.desk.repository / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\nexec sleep 300\n")
    hook.chmod(0o755)
    run = shop.claimed()
    with _stopped_within(SOON, shop, shop.agent(WORK), run):
        until(lambda: shop.now(run).phase is Phase.PUSH)
        until(lambda: list(shop.desk.repository.glob("objects/*incoming*")) != [])  # git has sent all objects
        assert not shop.cancel(run)
    assert shop.branches() == []
    hook.unlink()

    ended = _finish(shop, shop.agent("exit 7"))

    assert (ended.outcome, ended.takeovers) == (Outcome.PUSHED, 0)
    assert shop.branches() == [shop.task(run).branch]


def test_a_worker_that_lost_its_run_abandons_the_export_at_once(shop: Workshop, hangs_in_export: str) -> None:
    run = shop.claimed()
    with shop.busy(shop.agent(WORK, tools_image=hangs_in_export), run):
        until(lambda: _is_hanging(shop, run, "export"))
        again, runtime = shop.taken_over("another")
        asked = time.monotonic()
    assert time.monotonic() - asked < SOON
    assert shop.now(run) == again

    execute(runtime, again, threading.Event())

    assert shop.now(run).outcome is Outcome.PUSHED


def test_a_worker_that_finds_a_cancelled_agent_stops_it_and_exports_its_work(
    shop: Workshop, soon: Callable[[str, float], None]
) -> None:
    run = shop.claimed()
    with _stopped_within(SOON, shop, shop.agent(f"{WORK}; {FOREVER}"), run):
        until(lambda: b"begun" in shop.printed(run))
    assert shop.cancel(run)
    began = time.monotonic()

    ended = _finish(shop, shop.runtime)

    soon("by the next worker", time.monotonic() - began)
    assert ended.outcome is Outcome.CANCELLED
    assert (shop.saved(run, "checked", "one"), shop.saved(run, "wip", "two")) == ("1\n", "2\n")


def test_an_export_that_a_dead_worker_promoted_but_did_not_record_is_recorded(
    shop: Workshop, hangs_in_export: str
) -> None:
    run = shop.claimed()
    with _stopped_within(SOON, shop, shop.agent(WORK, tools_image=hangs_in_export), run):
        until(lambda: _is_hanging(shop, run, "export"))
    dying, runtime = shop.taken_over("dying")
    leased = take_up(runtime, dying, threading.Event())
    plan = export_plan(runtime, leased.task, leased.run, runtime.mirror(leased.task))
    promoted = workspace_export.export_work(runtime.engine, runtime.tools_image, plan)
    assert shop.task(run).checked_head == ""
    assert shop.cancel(run)

    ended = _finish(shop, shop.runtime)

    assert (ended.outcome, ended.reason) == (Outcome.CANCELLED, "")
    assert shop.task(run).checked_head == promoted.head
    assert shop.branches() == []
