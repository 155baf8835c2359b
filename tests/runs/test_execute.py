"""A run from its first phase to its last, with one worker and with several."""

import re
import threading
from dataclasses import replace

import pytest

from bot.domain.lifecycle import Phase, State
from bot.domain.outcomes import Outcome
from bot.domain.task import Run
from bot.runs.execute import execute
from bot.runs.runtime import Runtime
from bot.store import workspaces
from tests.support.runtimes import with_gateway
from tests.support.worker_bench import FOREVER, Workshop, until


def test_every_phase_is_recorded_with_its_times(shop: Workshop) -> None:
    run = shop.done("echo 1 > x")

    assert (run.outcome, run.state, shop.task(run).state) == (
        Outcome.PUSHED,
        State.SUCCEEDED,
        State.SUCCEEDED,
    )
    times = shop.phases(run)
    assert [phase for phase, _, _ in times] == list(Phase)
    instants = [at for _, began, ended in times for at in (began, ended) if at is not None]
    assert len(instants) == 2 * len(times)
    assert instants == sorted(instants)
    assert run.started_at is not None
    assert run.ended_at is not None
    assert run.started_at <= instants[0]
    assert instants[-1] <= run.ended_at
    assert shop.branches() == [shop.task(run).branch]
    assert shop.desk.git("rev-parse", shop.task(run).branch) == shop.task(run).pushed_head
    assert shop.containers() == []


def test_commits_and_files_of_a_failed_agent_are_in_the_quarantine_and_are_not_pushed(shop: Workshop) -> None:
    run = shop.done("echo 1 > x; git add x; git commit -qm x; echo 2 > y; exit 3")

    assert (run.outcome, run.exit_status, run.reason) == (
        Outcome.AGENT_FAILED,
        3,
        "It ended with exit status 3.",
    )
    assert (shop.saved(run, "checked", "x"), shop.saved(run, "wip", "y")) == ("1\n", "2\n")
    assert (shop.saved(run, "checked", "y"), shop.branches()) == ("", [])


def test_a_run_with_a_question_waits_for_an_answer_and_pushes_nothing(shop: Workshop) -> None:
    run = shop.done("echo 1 > x; echo 'Tabs or spaces?' > /task/out/question.md")

    assert (run.outcome, run.state, run.reason) == (Outcome.QUESTION, State.WAITING, "Tabs or spaces?")
    assert shop.task(run).state is State.WAITING
    assert (shop.saved(run, "checked", "x"), shop.branches()) == ("1\n", [])


def test_the_question_of_a_failed_agent_is_reported(shop: Workshop) -> None:
    run = shop.done("echo 'Tabs or spaces?' > /task/out/question.md; exit 3")

    assert (run.outcome, run.state) == (Outcome.AGENT_FAILED, State.FAILED)
    assert run.reason == "It ended with exit status 3. The agent had asked: Tabs or spaces?"


def test_the_agents_summary_is_stored(shop: Workshop) -> None:
    run = shop.done(
        """echo 1 > x; echo '{"summary": "I wrote x.", "title": "Add x"}' > /task/out/result.json"""
    )

    assert run.summary == "I wrote x."
    assert shop.desk.git("log", "-1", "--format=%s", shop.task(run).branch) == "Add x"


def test_a_cancel_during_the_export_takes_effect_and_nothing_is_pushed(shop: Workshop) -> None:
    run = shop.claimed()

    with shop.busy(shop.agent("echo 1 > x"), run):
        until(lambda: shop.now(run).phase is Phase.EXPORT)
        assert shop.cancel(run)

    ended = shop.now(run)
    assert (ended.outcome, ended.agent_outcome) == (Outcome.CANCELLED, None)
    assert [phase for phase, _, _ in shop.phases(run)] == [
        Phase.PREPARE,
        Phase.AGENT,
        Phase.EXPORT,
        Phase.REPORT,
    ]
    assert shop.branches() == []
    # Either the export was abandoned, or it had just ended.
    exported, abandoned = shop.saved(run, "checked", "x") == "1\n", "stays there" in ended.reason
    assert exported is not abandoned


def test_a_run_that_was_cancelled_while_queued_never_starts(shop: Workshop) -> None:
    run = shop.queued()
    assert shop.cancel(run)

    assert shop.next() is None
    assert (shop.now(run).outcome, shop.now(run).started_at) == (Outcome.CANCELLED, None)


def test_the_next_worker_does_the_export_that_a_stopped_worker_did_not_finish(shop: Workshop) -> None:
    run = shop.claimed()
    with shop.busy(shop.agent("echo 1 >> x; echo begun"), run) as stopping:
        until(lambda: shop.now(run).phase is Phase.EXPORT)
        stopping.set()
    assert (shop.now(run).state, shop.branches()) == (State.RUNNING, [])

    again, runtime = shop.taken_over("next")
    execute(runtime, again, threading.Event())

    ended = shop.now(run)
    assert (ended.outcome, ended.takeovers, shop.printed(run)) == (Outcome.PUSHED, 0, b"begun\n")
    assert shop.desk.git("cat-file", "blob", f"{shop.task(run).branch}:x") == "1"
    assert shop.desk.git("rev-list", "--count", f"main..{shop.task(run).branch}") == "1"


def test_a_run_is_lost_after_three_workers_died_in_the_same_phase(shop: Workshop) -> None:
    run = shop.claimed()
    with shop.busy(shop.agent(FOREVER), run) as stopping:
        until(lambda: shop.now(run).agent_started)
        stopping.set()
    for dying in ("first", "second", "third"):
        shop.taken_over(dying)
    again, runtime = shop.taken_over("fourth")
    execute(runtime, again, threading.Event())

    ended = shop.now(run)
    assert (ended.outcome, ended.state) == (Outcome.LOST, State.FAILED)
    assert ended.reason == "Its worker died 3 times in phase agent."
    assert shop.containers() == []
    with shop.runtime.ledger.read() as tx:
        kept = workspaces.get(tx, run.task)
    assert kept is not None
    assert kept.keep_until is not None


def test_a_worker_that_was_replaced_changes_nothing_more(shop: Workshop) -> None:
    run = shop.claimed()
    with shop.busy(shop.agent(f"echo 1 > x; {FOREVER}"), run):
        until(lambda: shop.printed(run) != b"")
        before = shop.task(run), shop.phases(run), shop.containers()
        again, runtime = shop.taken_over("another")

    assert shop.now(run) == again
    assert (shop.task(run), shop.phases(run), shop.containers()) == before
    assert _agent_is_running(shop, run)
    assert shop.branches() == []
    assert shop.cancel(again)
    execute(runtime, again, threading.Event())
    assert shop.now(run).outcome is Outcome.CANCELLED


def _of_two_workers(shop: Workshop) -> tuple[Run, Runtime, Run]:
    """Return the run of a replaced worker, that worker's runtime, and the current run."""
    run = shop.claimed()
    with shop.busy(shop.agent(FOREVER), run) as stopping:
        until(lambda: shop.now(run).agent_started)
        stopping.set()
    replaced, runtime = shop.taken_over("replaced")
    return replaced, runtime, shop.taken_over("another")[0]


def _agent_is_running(shop: Workshop, run: Run) -> bool:
    condition = shop.runtime.engine.condition(f"forgehand-{run.id}")
    return condition is not None and condition.running


def test_a_worker_that_fails_after_it_was_replaced_changes_nothing(shop: Workshop) -> None:
    replaced, runtime, now = _of_two_workers(shop)
    logs = shop.runtime.data.logs
    logs.rename(logs.with_name("elsewhere"))
    logs.write_text("a file where a folder belongs")

    execute(runtime, replaced, threading.Event())

    assert _agent_is_running(shop, now)
    assert shop.now(now) == now


@pytest.mark.long
def test_a_worker_that_notices_a_time_limit_after_it_was_replaced_changes_nothing(shop: Workshop) -> None:
    replaced, runtime, now = _of_two_workers(shop)

    execute(runtime, replace(replaced, wall_limit=0), threading.Event())

    assert _agent_is_running(shop, now)
    assert shop.now(now) == now


def test_a_worker_that_stops_after_it_was_replaced_changes_nothing(shop: Workshop) -> None:
    replaced, runtime, now = _of_two_workers(shop)
    stopping = threading.Event()
    stopping.set()

    execute(runtime, replaced, stopping)

    assert _agent_is_running(shop, now)
    assert shop.now(now) == now


def test_an_unexpected_error_ends_the_run_and_is_reported_as_an_incident(shop: Workshop) -> None:
    run = shop.claimed()
    shop.runtime.data.mirrors.write_text("a file where a folder belongs")

    execute(shop.runtime, run, threading.Event())

    ended = shop.now(run)
    assert (ended.outcome, ended.state) == (Outcome.PREPARE_FAILED, State.FAILED)
    assert re.fullmatch(
        r"Something went wrong in the bot\..* incident number `[0-9a-f]{8}` to .*", ended.reason
    )
    assert str(shop.runtime.data.root) not in ended.reason
    assert shop.task(run).state is State.FAILED


def test_after_an_unexpected_error_neither_container_nor_gateway_folder_remains(shop: Workshop) -> None:
    run = shop.claimed()
    shop.runtime.data.logs.write_text("a file where a folder belongs")

    execute(with_gateway(shop.agent(FOREVER), hosts=["pip.test"]), run, threading.Event())

    ended = shop.now(run)
    assert (ended.outcome, ended.agent_started) == (Outcome.LOST, True)
    assert "incident" in ended.reason
    assert shop.containers() == []
    assert list(shop.runtime.data.gateways.iterdir()) == []
