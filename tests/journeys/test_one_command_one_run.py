"""Repeated deliveries of one command, to several workers: the command gets one run."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import func, select

from bot.domain.outcomes import Outcome
from bot.store import schema
from tests.journeys.deliveries import Delivery, id_of, is_comment, under_another_id
from tests.journeys.world import World, shell
from tests.support import http
from tests.support.playground_receiver import Receiver
from tests.support.waiting import eventually

pytestmark = pytest.mark.alike


def captured(full: World, thread: int, text: str) -> Delivery:
    """Capture a delivery of the forge, so that the bot does not receive it."""
    with Receiver() as receiver:
        full.playground.set_webhook(receiver.url)
        full.say(thread, text)
        return eventually(lambda: [one for one in receiver.got if is_comment(one[0])])[0]


def at_once(full: World, sent: list[Delivery]) -> list[int]:
    """Send these deliveries at the same moment and return the answers."""

    def send(delivery: Delivery) -> int:
        headers, body = delivery
        url = f"http://127.0.0.1:{full.port}{full.playground.webhook_path}"
        return http.post(url, headers=headers, content=body).status_code

    with ThreadPoolExecutor(len(sent)) as pool:
        return list(pool.map(send, sent))


def test_concurrent_duplicate_deliveries_to_five_workers_start_one_run_for_each_command(full: World) -> None:
    other = full.playground.open_issue("Another")
    headers, body = captured(full, 1, "/run " + shell("echo one > one.txt"))
    same_delivery = [(headers, body)] * 10
    comment = captured(full, other, "/run " + shell("echo other > other.txt"))
    same_comment = [under_another_id(full.playground, comment, f"twin-{number}") for number in range(10)]
    full.start("serve")
    for _ in range(5):
        full.start("work")
    eventually(lambda: len(workers(full.data)) >= 5)

    answers = at_once(full, [one for pair in zip(same_delivery, same_comment, strict=True) for one in pair])

    assert answers == [202] * 20
    for thread in (1, other):
        _task, run = full.task_after_run(1, on=thread)
        assert run.outcome is Outcome.PUSHED, run.reason
        full.final_comment(thread, run)
    full.settled()
    assert sorted(task.thread.number for task in full.tasks()) == [1, other]
    assert [run.epoch for task in full.tasks() for run in full.runs(task)] == [1, 1]  # each claimed once
    assert [len(full.bot_comments(thread)) for thread in (1, other)] == [
        1,
        1,
    ]  # the final comment
    assert len(full.playground.pulls()) == 2
    assert [count_deliveries(full, id_of(same_delivery[0][0])), count_deliveries(full, "twin-%")] == [1, 10]


def count_deliveries(full: World, delivery_id: str) -> int:
    """Count the deliveries in the ledger whose id starts like this."""
    with full.ledger.read() as tx:
        alike = select(func.count()).where(schema.deliveries.c.id.like(delivery_id))
        return tx.execute(alike).scalar_one()


def workers(data: Path) -> list[Path]:
    folder = data / "workers"
    return list(folder.iterdir()) if folder.exists() else []
