"""Phase agent: one worker, or several one after another, follow an agent to its end."""

import gc
import signal
import threading
from collections.abc import Callable, MutableMapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from bot.domain.errors import LedgerUnavailable
from bot.domain.lifecycle import Phase, State
from bot.domain.outcomes import Outcome
from bot.domain.task import Run
from bot.runs.execute import execute
from bot.sandbox.engine.containers import Engine
from bot.store import log_chunks, workspaces
from tests.runs.phases.stopped_worker import work_until_output
from tests.support.services import Postgres
from tests.support.worker_bench import FOREVER, Workshop, in_a_workshop, until

ENGINE = "/var/run/docker.sock"
# Prints numbered lines until the file `go` exists, and three more.
COUNTING = """
say() { n=$((n + 1)); echo "line $n"; }
n=0
while test ! -e go; do say; sleep 0.02; done
for _ in 1 2 3; do say; done
rm go
echo "$n" > lines
"""


def _end_agent(shop: Workshop, run: Run) -> None:
    (shop.runtime.data.workspace(run.task) / "repo" / "go").touch()


def test_an_agent_continues_without_a_worker_and_the_next_worker_follows_it_to_its_end(
    shop: Workshop,
) -> None:
    run = shop.claimed()
    work_until_output(shop, shop.agent(COUNTING), run)
    alone = shop.now(run)
    assert (alone.state, alone.phase) == (State.RUNNING, Phase.AGENT)
    condition = shop.runtime.engine.condition(f"forgehand-{run.id}")
    assert condition is not None
    assert condition.running
    assert 0 < alone.log_offset == len(shop.printed(run))

    raw = shop.runtime.data.log(run.id)
    with raw.open("ab") as file:
        file.write(b"written by a worker that was killed before it recorded this in the ledger\n")

    again, runtime = shop.taken_over("next")
    with shop.busy(runtime, again):
        until(lambda: shop.now(run).log_offset > alone.log_offset)
        _end_agent(shop, run)

    ended = shop.now(run)
    assert (ended.outcome, ended.takeovers, ended.number) == (Outcome.PUSHED, 0, 1)
    count = int(shop.desk.git("cat-file", "blob", f"{shop.task(run).branch}:lines"))
    whole = "".join(f"line {n}\n" for n in range(1, count + 1)).encode()
    assert shop.printed(run) == whole
    assert raw.read_bytes() == whole


def test_an_agent_whose_container_has_vanished_is_lost_and_its_workspace_is_retained(shop: Workshop) -> None:
    run = shop.claimed()
    work_until_output(shop, shop.agent(f"echo 1 > x; git add x; git commit -qm x; {FOREVER}"), run)
    shop.runtime.engine.remove(f"forgehand-{run.id}")

    again, runtime = shop.taken_over("next")
    execute(runtime, again, threading.Event())

    ended = shop.now(run)
    assert (ended.outcome, ended.reason) == (Outcome.LOST, "Its container is not there any more.")
    assert shop.saved(run, "checked", "x") == "1\n"
    assert shop.branches() == []
    with shop.runtime.ledger.read() as tx:
        kept = workspaces.get(tx, run.task)
    assert kept is not None
    assert kept.removed_at is None
    assert kept.keep_until is not None
    assert (shop.runtime.data.workspace(run.task) / "repo" / "x").exists()


def test_an_agent_that_was_stopped_from_outside_is_lost_and_not_failed(shop: Workshop) -> None:
    run = shop.claimed()
    with shop.busy(shop.agent(f"echo 1 > x; {FOREVER}"), run):
        until(lambda: shop.printed(run) != b"")
        shop.runtime.engine.stop(f"forgehand-{run.id}")  # as an engine does when it shuts down

    ended = shop.now(run)
    assert (ended.outcome, ended.exit_status) == (Outcome.LOST, 128 + signal.SIGTERM)
    assert "stopped from outside" in ended.reason
    assert shop.saved(run, "wip", "x") == "1\n"


def test_exit_status_255_is_a_failure_if_a_worker_followed_the_agent_and_a_loss_otherwise(
    shop: Workshop,
) -> None:
    assert shop.done("exit 255").outcome is Outcome.AGENT_FAILED

    run = shop.claimed()
    work_until_output(shop, shop.agent("echo begun; until test -e go; do sleep 0.02; done; exit 255"), run)
    _end_agent(shop, run)
    until(lambda: not getattr(shop.runtime.engine.condition(f"forgehand-{run.id}"), "running", True))
    again, runtime = shop.taken_over("next")
    execute(runtime, again, threading.Event())

    assert shop.now(run).outcome is Outcome.LOST  # the same status as after a crash of the machine


# The library does not close a socket that it could not connect.
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
def test_a_run_waits_if_the_engine_is_unavailable_before_or_during_the_agent(
    shop: Workshop, tmp_path: Path
) -> None:
    engine = tmp_path / "engine.sock"
    runtime = replace(shop.agent(COUNTING), engine=Engine(url=f"unix://{engine}", instance="away", uid=10001))
    run = shop.claimed()
    with capture_logs() as logged, shop.busy(runtime, run):
        until(lambda: _waits(logged))
        assert shop.now(run).phase is Phase.PREPARE
        engine.symlink_to(ENGINE)
        until(lambda: shop.printed(run) != b"")
        engine.unlink()
        logged.clear()
        _end_agent(shop, run)
        until(lambda: _waits(logged))
        assert shop.now(run).state is State.RUNNING
        engine.symlink_to(ENGINE)

    assert shop.now(run).outcome is Outcome.PUSHED
    assert runtime.engine.ours() == []
    gc.collect()


def _waits(logged: list[MutableMapping[str, Any]]) -> bool:
    return any(line["event"] == "step retry scheduled" for line in logged)


def test_the_exit_status_of_an_agent_that_no_worker_followed_decides_even_after_its_time_limit(
    shop: Workshop,
) -> None:
    run = shop.claimed()
    work_until_output(shop, shop.agent(COUNTING), run)
    _end_agent(shop, run)
    until(lambda: not getattr(shop.runtime.engine.condition(f"forgehand-{run.id}"), "running", True))
    shop.out_of_time(run)

    again, runtime = shop.taken_over("next")
    execute(runtime, again, threading.Event())

    assert (shop.now(run).outcome, shop.now(run).exit_status) == (Outcome.PUSHED, 0)
    assert shop.printed(run).splitlines()[-1].startswith(b"line ")


def test_a_cancel_takes_effect_if_the_agent_was_stopped_before_the_worker_recorded_it(
    shop: Workshop,
) -> None:
    run = shop.claimed()
    work_until_output(shop, shop.agent(f"echo 1 > x; {FOREVER}"), run)
    assert shop.cancel(run)
    shop.runtime.engine.stop(f"forgehand-{run.id}")

    again, runtime = shop.taken_over("next")
    execute(runtime, again, threading.Event())

    assert shop.now(run).outcome is Outcome.CANCELLED
    assert shop.saved(run, "wip", "x") == "1\n"


@pytest.mark.long  # tests of cancels have an agent that even ignores the signal
def test_the_work_of_a_cancelled_agent_is_in_the_quarantine_and_is_not_pushed(shop: Workshop) -> None:
    run = shop.claimed()

    with shop.busy(shop.agent(f"echo 1 > x; git add x; git commit -qm x; echo 2 > y; {FOREVER}"), run):
        until(lambda: shop.printed(run) == b"begun\n")
        assert shop.cancel(run)

    ended = shop.now(run)
    assert (ended.outcome, ended.state, ended.reason) == (Outcome.CANCELLED, State.CANCELLED, "")
    assert (shop.saved(run, "checked", "x"), shop.saved(run, "wip", "y")) == ("1\n", "2\n")
    assert (shop.saved(run, "checked", "y"), shop.branches(), shop.containers()) == ("", [], [])


@pytest.mark.waits
def test_an_agent_continues_while_the_ledger_is_unavailable_and_the_same_worker_follows_it(
    tmp_path: Path, postgres: Postgres, postgres_url: Callable[[], str]
) -> None:
    url = postgres_url()
    with in_a_workshop(tmp_path, url) as shop, capture_logs() as logged:
        run = shop.claimed()
        with shop.busy(shop.agent(COUNTING), run):
            until(lambda: shop.printed(run) != b"")
            with postgres.unavailable(url):
                until(lambda: any(line["event"] == "ledger went away" for line in logged))
            before = shop.now(run).log_offset
            until(lambda: shop.now(run).log_offset > before)
            _end_agent(shop, run)

        ended = shop.now(run)
        assert (ended.outcome, ended.epoch, ended.takeovers) == (Outcome.PUSHED, 1, 0)
        count = int(shop.desk.git("cat-file", "blob", f"{shop.task(run).branch}:lines"))
        whole = "".join(f"line {n}\n" for n in range(1, count + 1)).encode()
        assert shop.printed(run) == shop.runtime.data.log(run.id).read_bytes() == whole


def test_a_run_whose_ledger_went_away_as_its_agent_ended_is_pushed(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = shop.claimed()
    append, failures = log_chunks.append, list[Exception]()

    def away(*args: Any) -> None:
        if not failures:
            until(lambda: not getattr(shop.runtime.engine.condition(f"forgehand-{run.id}"), "running", True))
            failures.append(LedgerUnavailable("server closed the connection"))
            raise failures[0]
        append(*args)

    monkeypatch.setattr(log_chunks, "append", away)
    # The reader waits with the rest of the output still in the socket: there is more than its buffer holds.
    much = "python3 -c 'for _ in range(30): print(10_000 * chr(120))'"
    execute(shop.agent(f"echo 1 > x; echo one; sleep 1.5; {much}"), run, threading.Event())

    ended = shop.now(run)
    assert len(failures) == 1
    assert (ended.outcome, ended.reason) == (Outcome.PUSHED, "")
    assert shop.printed(run).replace(b"\n", b"") == b"one" + b"x" * 300_000
