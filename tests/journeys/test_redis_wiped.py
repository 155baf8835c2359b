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
HELD = shell(f'echo started >>"$HOME/starts"; {HOLD}')
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
def test_two_active_and_twenty_queued_runs_each_end_correctly_and_once(full: World) -> None:
    full.settings["limits"] = {"per_repository": 2, "per_host": 2}
    full.start("serve")
    full.start("work", program=paced())
    held = [1, full.playground.open_issue("Another")]
    for thread in held:
        full.say(thread, f"/run {HELD}")
    # at the same time, although in one repository
    running = [full.until_running(on=thread) for thread in held]
    waiting = [full.playground.open_issue(f"Number {number}") for number in range(WAITING)]
    for thread in waiting:
        full.say(thread, f"/run {TINY}")
    eventually(lambda: len(full.tasks()) == len(held) + WAITING)

    with redis.Redis.from_url(full.settings["queue"]["url"]) as client:
        client.flushall()

    assert [full.now(run).ended_at for run in running] == [None, None]
    for run in running:
        full.let_go(run)
    for thread in held + waiting:
        task, run = full.task_after_run(1, on=thread)
        assert run.outcome is Outcome.NO_CHANGES, run.reason
        assert (full.in_workspace(task) / "home" / "starts").read_text() == "started\n"
        full.final_comment(thread, run)
    full.settled()
    assert [len(full.runs(task)) for task in full.tasks()] == [1] * (len(held) + WAITING)
    for thread in held + waiting:
        assert sum("forgehand:final:" in body for body in full.bot_comments(thread)) == 1
