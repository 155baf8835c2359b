"""A worker is stopped, or its run is taken over, while a step hangs; the next worker finishes the run."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace

import pytest

from bot.domain.lifecycle import Phase, State
from bot.domain.outcomes import Outcome
from bot.domain.task import Run
from bot.runs.execute import execute
from bot.runs.leased_run import take_up
from bot.runs.phases.export import export_plan
from bot.runs.runtime import Runtime
from bot.sandbox.export import workspace_export
from tests.runs.hanging_steps import SOON, WORK, address, is_hanging
from tests.support.cli_sandbox import LONG
from tests.support.worker_bench import FOREVER, Workshop, until


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


@pytest.mark.long
def test_a_stopping_worker_abandons_a_fetch_at_once_and_the_next_worker_fetches(
    shop: Workshop, unresponsive: socket.socket
) -> None:
    run = shop.claimed(remote=address(unresponsive))

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
        until(lambda: is_hanging(shop, run, "prepare"))
    assert shop.containers() == []

    ended = _finish(shop, shop.agent(WORK))

    assert (ended.outcome, ended.takeovers) == (Outcome.PUSHED, 0)


def test_a_stopping_worker_abandons_an_export_and_the_next_worker_repeats_it(
    shop: Workshop, hangs_in_export: str
) -> None:
    run = shop.claimed()
    with _stopped_within(SOON, shop, shop.agent(WORK, tools_image=hangs_in_export), run):
        until(lambda: is_hanging(shop, run, "export"))
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
        until(lambda: is_hanging(shop, run, "export"))
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
        until(lambda: is_hanging(shop, run, "export"))
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
