"""Deliveries in random order, many of them twice, to many processes have the same results as in order."""

import json
import random
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from bot.store import runs
from bot.store.ledger import Ledger, open_ledger
from bot.store.outbox import Outgoing
from bot.store.schema import causes, outbox, tasks
from bot.store.schema import runs as run_rows
from tests.journeys.deliveries import Delivery, is_comment, under_another_id
from tests.journeys.world import World, shell, world
from tests.support import http
from tests.support.playground_gitlab import AnyPlayground
from tests.support.playground_receiver import Receiver
from tests.support.services import free_port
from tests.support.waiting import eventually

CHEAP = [
    ("ann", "What do you think of this?"),
    ("ann", "/status"),
    ("ann", "/help"),
    ("ann", "/resume"),
    ("ann", "/run --agent nobody tidy"),
    ("ann", "/runn tidy"),
    ("zoe", "/run tidy"),
]
AGENTS = ["true", "exit 3", "echo one > one.txt"]  # no changes, failed, pushed


@pytest.fixture
def forge() -> str:
    """Use one forge: order concerns the receiver and the workers only."""
    return "github"


@pytest.fixture
def orderly(tmp_path: Path, playground: AnyPlayground) -> Iterator[World]:
    """Make a world with one process and its own ledger."""
    folder = tmp_path / "orderly"
    folder.mkdir()
    store_url = f"sqlite:///{folder / 'ledger.db'}"
    ledger = open_ledger(store_url)
    with world(folder, ledger=ledger, store_url=store_url, playground=playground) as made:
        yield made
    ledger.close()


def post_comments(playground: AnyPlayground, total: int, count: int) -> list[Delivery]:
    """Post `count` run commands, each on its own thread, and other comments. Return their deliveries."""
    playground.add_user("zoe")
    with Receiver() as receiver:
        playground.set_webhook(receiver.url)
        for number in range(count):
            playground.comment(playground.open_issue("Work"), "/run " + shell(AGENTS[number % len(AGENTS)]))
        threads = [playground.open_issue("Talk") for _ in range(5)]
        for (who, words), number in zip(cycle(CHEAP), range(total - count), strict=False):
            playground.comment(threads[number % len(threads)], words, who)
        eventually(lambda: sum(is_comment(headers) for headers, _ in receiver.got) == total)
        return [one for one in receiver.got if is_comment(one[0])]


def receive(deliveries: list[Delivery], ports: list[int], *, at_once: int) -> None:
    """Send the deliveries to the receivers in turn, and check that each is accepted."""

    def send(delivery: Delivery, port: int) -> int:
        headers, body = delivery
        url = f"http://127.0.0.1:{port}/webhooks/github"
        return http.post(url, headers=headers, content=body).status_code

    with ThreadPoolExecutor(at_once) as pool:
        answers = list(pool.map(send, deliveries, cycle(ports)))
    assert set(answers) == {202}


def shuffled(playground: AnyPlayground, deliveries: list[Delivery]) -> list[Delivery]:
    """Put the deliveries in random order. A third is sent twice, and half of these with another id."""
    chance = random.Random(4)
    twice = chance.sample(deliveries, len(deliveries) // 3)
    half = len(twice) // 2
    twins = [under_another_id(playground, one, f"twin-{n}") for n, one in enumerate(twice[:half])]
    mixed = [*deliveries, *twice[half:], *twins]
    chance.shuffle(mixed)
    return mixed


def until_all_is_done(there: World, count: int) -> None:
    def done() -> bool:
        with there.ledger.read() as tx:
            return len(there.tasks()) >= count and not runs.count_open(tx)

    there.settled()
    eventually(done, seconds=300)
    eventually(lambda: not unsent(there.ledger))


def unsent(ledger: Ledger) -> list[str]:
    with ledger.read() as tx:
        return list(tx.execute(select(outbox.c.subject).where(outbox.c.due_at.is_not(None))).scalars())


def facts(ledger: Ledger) -> dict[str, Counter[tuple[object, ...]]]:
    """Return the ledger's facts without ids, times and queue positions. A run is named by its cause."""
    commands = select(causes.c.forge, causes.c.repository_id, causes.c.cause)
    with ledger.read() as tx:
        all_runs = tx.execute(select(run_rows)).all()
        of_run = {run.id: run.cause for run in all_runs}
        of_task = {run.task: run.cause for run in all_runs}
        return {
            "causes": Counter(tuple(row) for row in tx.execute(commands)),
            "tasks": Counter(about_task(row, of_task) for row in tx.execute(select(tasks))),
            "runs": Counter(map(about_run, all_runs)),
            "outbox": Counter(about_message(row, of_run, of_task) for row in tx.execute(select(outbox))),
        }


def about_task(row: Any, of_task: Mapping[str, str]) -> tuple[object, ...]:
    place = (of_task[row.id], row.thread_key)
    return (*place, row.state, row.base, bool(row.pushed_head), bool(row.change_url))


def about_run(row: Any) -> tuple[object, ...]:
    return (row.cause, row.number, row.state, row.phase, row.outcome, row.reason, row.asked_by_login)


def about_message(row: Any, of_run: Mapping[str, str], of_task: Mapping[str, str]) -> tuple[object, ...]:
    said = words(row.subject, row.kind, row.content, of_task)
    return (of_run.get(row.subject, row.subject), row.kind, row.thread_key, row.refused, said)


def words(subject: str, kind: str, content: str, ids: Iterable[str]) -> str:
    if kind in (Outgoing.PROGRESS, Outgoing.STATUS):
        return ""  # the queue position at the time of the last update
    message = json.loads(content)
    if subject.startswith("refusal:"):
        del message["spot"]  # posted once per thread, for the first delivery to be handled
    text = json.dumps(message, sort_keys=True)
    text = re.sub(r"http://127\.0\.0\.1:\d+", "URL", re.sub(r"\?key=\w+", "", text))
    text = re.sub(r"next in the queue|number \d+ in the queue", "PLACE", text)
    text = re.sub("|".join(ids), "TASK", text)  # first: an id may look like the start of a commit
    text = re.sub(r"\b[0-9a-f]{7,40}\b", "COMMIT", text)
    return re.sub(r"(\d+ min )?\d+ s\b|[\d-]{10} \d\d:\d\d UTC|until \d+ \w{3}", "TIME", text)


@pytest.mark.long
@pytest.mark.parametrize(("total", "count"), [(200, 15)])
def test_shuffled_and_repeated_deliveries_have_the_same_results_as_ordered_ones(
    full: World, orderly: World, total: int, count: int
) -> None:
    deliveries = post_comments(full.playground, total, count)
    orderly.start()
    receive(deliveries, [orderly.port], at_once=1)
    until_all_is_done(orderly, count)
    orderly.stop()
    said = {
        number: len(full.bot_comments(number)) for number in {task.thread.number for task in orderly.tasks()}
    }

    ports = []
    for _ in range(2):
        full.port = free_port()
        full.start("serve")
        ports.append(full.port)
    for _ in range(3):
        full.start("work")
    receive(shuffled(full.playground, deliveries), ports, at_once=8)
    until_all_is_done(full, count)

    expected, got = facts(orderly.ledger), facts(full.ledger)
    assert len(expected["runs"]) == count
    for what in expected:
        assert got[what] == expected[what]
    assert {number: len(full.bot_comments(number)) for number in said} == {n: 2 * k for n, k in said.items()}
