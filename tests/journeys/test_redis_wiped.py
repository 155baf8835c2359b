"""Loss of all data in Redis while runs are active and queued: no run is lost, and nothing is done twice."""

from collections.abc import Iterator

import pytest
import redis

from bot.domain.outcomes import Outcome
from tests.journeys.bot_processes import paced
from tests.journeys.world import HOLD, World, shell
from tests.support.services import running_redis
from tests.support.waiting import eventually

TINY = shell('echo started >>"$HOME/starts"')
HOLDING = shell(f'echo started >>"$HOME/starts"; {HOLD}')
WAITING = 20


@pytest.fixture
def forge() -> str:
    """Use one forge: messages are handled in the same way for both."""
    return "github"


@pytest.fixture
def redis_url() -> Iterator[str]:
    """Start a server for this test alone, because FLUSHALL affects every database of the server."""
    with running_redis() as server:
        yield f"{server.url}/0"


@pytest.mark.long
def test_active_and_queued_runs_end_correctly_and_once_after_a_loss_of_all_data_in_redis(full: World) -> None:
    full.settings["limits"] = {"per_repository": 2, "per_host": 2}
    full.start("serve")
    full.start("work", program=paced())
    active = [1, full.playground.open_issue("Another")]
    for thread in active:
        full.say(thread, f"/run {HOLDING}")
    # at the same time, although in one repository
    running = [full.until_running(on=thread) for thread in active]
    waiting = [full.playground.open_issue(f"Number {number}") for number in range(WAITING)]
    for thread in waiting:
        full.say(thread, f"/run {TINY}")
    eventually(lambda: len(full.tasks()) == len(active) + WAITING)

    with redis.Redis.from_url(full.settings["queue"]["url"]) as client:
        client.flushall()

    assert [full.now(run).ended_at for run in running] == [None, None]
    for run in running:
        full.let_continue(run)
    for thread in active + waiting:
        task, run = full.task_after_run(1, on=thread)
        assert run.outcome is Outcome.NO_CHANGES, run.reason
        assert (full.in_workspace(task) / "home" / "starts").read_text() == "started\n"
        full.final_comment(thread, run)
    full.settled()
    assert [len(full.runs(task)) for task in full.tasks()] == [1] * (len(active) + WAITING)
    for thread in active + waiting:
        assert sum("forgehand:final:" in body for body in full.bot_comments(thread)) == 1
