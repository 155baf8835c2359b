"""PostgreSQL or Redis restarts while an agent runs: the run ends correctly, and once."""

import time
from collections.abc import Callable, Iterator

import pytest

from tests.journeys.bot_processes import paced
from tests.journeys.test_adoption import check_complete_end, container_of, counting, thread
from tests.journeys.world import World
from tests.support.services import Postgres, Redis, running_postgres, running_redis
from tests.support.waiting import eventually

LEASE = 2.0  # seconds
AWAY = [0.0, 2 * LEASE]  # seconds: back at once, and back after every lease has expired


@pytest.fixture
def forge() -> str:
    """Use one forge: a restart of a server does not involve it."""
    return "github"


@pytest.fixture
def own_redis() -> Iterator[Redis]:
    with running_redis() as server:
        yield server


@pytest.fixture
def redis_url(own_redis: Redis) -> str:
    return f"{own_redis.url}/0"


@pytest.fixture(scope="module")
def own_postgres() -> Iterator[Postgres]:
    with running_postgres() as cluster:
        yield cluster


@pytest.fixture
def postgres_url(own_postgres: Postgres) -> Callable[[], str]:
    return own_postgres.migrated


@pytest.fixture
def working(full: World) -> World:
    """Make a world with two workers on one host, and an agent that counts."""
    full.start("serve")
    for _ in range(2):
        full.start("work", program=paced(lease=LEASE))
    return full


@pytest.mark.parametrize("seconds", AWAY)
@pytest.mark.long
def test_a_run_survives_a_restart_of_postgresql(
    working: World, own_postgres: Postgres, seconds: float
) -> None:
    run = counting(working)
    container, before = container_of(run), thread(working)

    own_postgres.server.stop()
    time.sleep(seconds)
    own_postgres.server.start()

    offset = working.now(run).log_offset
    eventually(lambda: working.now(run).log_offset > offset)
    assert container_of(run) == container
    assert thread(working) == before
    check_complete_end(working, run)
    assert len(working.runs()) == 1
    assert sum("forgehand:final:" in body for body in working.bot_comments(1)) == 1


def test_a_run_survives_a_restart_of_redis(working: World, own_redis: Redis) -> None:
    run = counting(working)
    container = container_of(run)

    own_redis.server.stop()
    offset = working.now(run).log_offset
    eventually(lambda: working.now(run).log_offset > offset)  # following the agent needs no Redis
    own_redis.server.start()

    assert container_of(run) == container
    ended = check_complete_end(working, run)
    assert (ended.epoch, len(working.runs())) == (1, 1)
    working.say(1, "/status")
    # triggered by a message or by the sweep
    working.wait_for_comment(1, f"**Task `{run.task}`**, run 1: Pushed")
