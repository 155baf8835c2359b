"""Phase agent: an agent followed to its end, by one worker or by several after each other."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.house import House
from bot.model import Outcome, Phase, Run, State
from bot.run import execute
from bot.store import workspaces
from tests.workshop import FOREVER, Workshop, in_a_workshop, until

# Prints numbered lines until it is told to end, and some more.
COUNTING = """
say() { n=$((n + 1)); echo "line $n"; }
n=0
while test ! -e go; do say; sleep 0.02; done
for _ in 1 2 3; do say; done
rm go
echo "$n" > lines
"""


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Workshop]:
    with in_a_workshop(tmp_path) as shop:
        yield shop


def _let_go(shop: Workshop, house: House, run: Run) -> None:
    """Work on it until its agent has been heard, and stop there."""
    with shop.busy(house, run) as stopping:
        until(lambda: shop.printed(run) != b"")
        stopping.set()


def _tell_it_to_end(shop: Workshop, run: Run) -> None:
    (shop.house.data / "workspaces" / run.task / "repo" / "go").touch()


def test_an_agent_goes_on_alone_and_the_next_worker_follows_it_to_its_end(shop: Workshop) -> None:
    run = shop.claimed()
    _let_go(shop, shop.agent(COUNTING), run)
    alone = shop.now(run)
    assert (alone.state, alone.phase) == (State.RUNNING, Phase.AGENT)
    condition = shop.house.engine.condition(f"forgehand-{run.id}")
    assert condition is not None
    assert condition.running
    assert 0 < alone.log_offset == len(shop.printed(run))

    raw = shop.house.data / "logs" / run.id
    with raw.open("ab") as file:
        file.write(b"what a worker that was killed wrote here, and did not live to put in the ledger\n")

    again, house = shop.taken_over("next")
    with shop.busy(house, again):
        until(lambda: shop.now(run).log_offset > alone.log_offset)
        _tell_it_to_end(shop, run)

    ended = shop.now(run)
    assert (ended.outcome, ended.takeovers, ended.number) == (Outcome.PUSHED, 0, 1)
    count = int(shop.desk.git("cat-file", "blob", f"{shop.task(run).branch}:lines"))
    whole = "".join(f"line {n}\n" for n in range(1, count + 1)).encode()
    assert shop.printed(run) == whole
    assert raw.read_bytes() == whole


def test_an_agent_whose_container_has_vanished_is_lost_and_its_workspace_kept(shop: Workshop) -> None:
    run = shop.claimed()
    _let_go(shop, shop.agent(f"echo 1 > x; git add x; git commit -qm x; {FOREVER}"), run)
    shop.house.engine.remove(f"forgehand-{run.id}")

    again, house = shop.taken_over("next")
    execute(house, again, threading.Event())

    ended = shop.now(run)
    assert (ended.outcome, ended.reason) == (Outcome.LOST, "Its container is not there any more.")
    assert shop.saved(run, "checked", "x") == "1\n"
    assert shop.branches() == []
    with shop.house.ledger.read() as tx:
        kept = workspaces.get(tx, run.task)
    assert kept is not None
    assert kept.removed_at is None
    assert kept.keep_until is not None
    assert (shop.house.data / "workspaces" / run.task / "repo" / "x").exists()


def test_an_agent_that_ended_while_nobody_followed_it_is_judged_by_how_it_ended(shop: Workshop) -> None:
    run = shop.claimed()
    _let_go(shop, shop.agent(COUNTING), run)
    _tell_it_to_end(shop, run)
    until(lambda: not getattr(shop.house.engine.condition(f"forgehand-{run.id}"), "running", True))

    again, house = shop.taken_over("next")
    execute(house, again, threading.Event())

    ended = shop.now(run)
    assert (ended.outcome, ended.exit_status) == (Outcome.PUSHED, 0)
    assert shop.printed(run).splitlines()[-1].startswith(b"line ")


def test_a_cancel_is_heard_where_the_agent_was_stopped_for_it_and_no_more_was_recorded(
    shop: Workshop,
) -> None:
    run = shop.claimed()
    _let_go(shop, shop.agent(f"echo 1 > x; {FOREVER}"), run)
    assert shop.cancel(run)
    shop.house.engine.stop(f"forgehand-{run.id}")

    again, house = shop.taken_over("next")
    execute(house, again, threading.Event())

    assert shop.now(run).outcome is Outcome.CANCELLED
    assert shop.saved(run, "wip", "x") == "1\n"


def test_a_cancelled_agents_work_is_in_the_quarantine_and_nothing_is_pushed(shop: Workshop) -> None:
    run = shop.claimed()

    with shop.busy(shop.agent(f"echo 1 > x; git add x; git commit -qm x; echo 2 > y; {FOREVER}"), run):
        until(lambda: shop.printed(run) == b"begun\n")
        assert shop.cancel(run)

    ended = shop.now(run)
    assert (ended.outcome, ended.state, ended.reason) == (Outcome.CANCELLED, State.CANCELLED, "")
    assert (shop.saved(run, "checked", "x"), shop.saved(run, "wip", "y")) == ("1\n", "2\n")
    assert (shop.saved(run, "checked", "y"), shop.branches(), shop.containers()) == ("", [], [])


def test_an_agent_that_prints_without_end_is_stopped_and_told_why(shop: Workshop) -> None:
    run = shop.claimed()

    execute(
        shop.agent("echo 1 > x; while :; do echo this line is there many times; done", log_bytes=20_000),
        run,
        threading.Event(),
    )

    ended = shop.now(run)
    assert (ended.outcome, ended.reason) == (Outcome.OUTPUT_LIMIT, "It printed more than 20,000 bytes.")
    assert (shop.saved(run, "wip", "x"), shop.branches(), shop.containers()) == ("1\n", [], [])
    raw = (shop.house.data / "logs" / run.id).read_bytes()
    assert shop.printed(run) == raw
    assert set(raw.split(b"\n")[:-1]) == {b"this line is there many times"}


def test_an_agent_has_its_time_and_no_more_however_many_workers_follow_it(shop: Workshop) -> None:
    run = shop.claimed(wall_limit=3)
    _let_go(shop, shop.agent(FOREVER), run)

    again, house = shop.taken_over("next")
    execute(house, again, threading.Event())

    ended = shop.now(run)
    assert (ended.outcome, ended.reason) == (Outcome.TIMED_OUT, "It did not end within 3 s.")
    [(began, end)] = [(began, end) for phase, began, end in shop.phases(run) if phase is Phase.AGENT]
    assert end is not None
    assert 3 <= end - began < 9
    assert shop.containers() == []


def test_what_an_agent_printed_last_without_a_line_end_is_there_too(shop: Workshop) -> None:
    run = shop.done("echo one; printf two")

    assert shop.printed(run) == b"one\ntwo"
    assert (run.outcome, run.log_offset) == (Outcome.NO_CHANGES, len(b"one\ntwo"))
