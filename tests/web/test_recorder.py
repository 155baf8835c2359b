"""The writer thread: shared commits, answers after them, and failures."""

import asyncio
import threading
from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import event, select

from bot.store.deliveries import Delivery
from bot.store.ledger import Ledger
from bot.store.schema import deliveries
from bot.web.json_body import NotJSON
from bot.web.recorder import Intake, NotRecorded


def delivery(number: int, body: bytes = b"{}") -> Delivery:
    return Delivery(forge="github", id=f"d-{number}", event="issue_comment", body=body)


def recorded(ledger: Ledger) -> list[str]:
    with ledger.read() as tx:
        return list(tx.execute(select(deliveries.c.id).order_by(deliveries.c.id)).scalars())


def submit_all(intake: Intake, *batch: Delivery) -> list[BaseException | None]:
    """Submit all in one turn of the event loop; return the result of each."""

    async def run() -> list[BaseException | None]:
        return await asyncio.gather(*(intake.submit(one) for one in batch), return_exceptions=True)

    return asyncio.run(run())


@pytest.fixture
def start_intake(ledger: Ledger) -> Iterator[Callable[[Callable[[str, str], object]], Intake]]:
    intakes: list[Intake] = []

    def begin(nudge: Callable[[str, str], object]) -> Intake:
        intakes.append(Intake(ledger, nudge))
        intakes[-1].start()
        return intakes[-1]

    yield begin
    for intake in intakes:
        intake.stop()


@pytest.fixture
def intake(start_intake: Callable[[Callable[[str, str], object]], Intake]) -> Intake:
    return start_intake(lambda forge, delivery: None)


def test_waiting_deliveries_are_committed_together(ledger: Ledger) -> None:
    commits: list[int] = []
    event.listen(ledger.engine, "commit", lambda connection: commits.append(1))
    intake = Intake(ledger, lambda forge, delivery: None)

    async def run() -> None:
        waiting = [intake.submit(delivery(number)) for number in range(50)]
        intake.start()
        await asyncio.gather(*waiting)

    asyncio.run(run())
    intake.stop()

    assert len(commits) == 1
    assert len(recorded(ledger)) == 50


def test_a_repeated_delivery_is_answered_and_recorded_once(intake: Intake, ledger: Ledger) -> None:
    assert submit_all(intake, *[delivery(1)] * 10) == [None] * 10
    assert submit_all(intake, delivery(1)) == [None]
    assert recorded(ledger) == ["d-1"]


def test_a_delivery_is_not_answered_before_its_commit(ledger: Ledger) -> None:
    seen: list[list[str]] = []
    intake = Intake(ledger, lambda forge, delivery: None)
    intake.start()

    async def run() -> None:
        await intake.submit(delivery(1))
        seen.append(recorded(ledger))  # on another connection

    asyncio.run(run())
    intake.stop()

    assert seen == [["d-1"]]


def test_an_invalid_body_does_not_fail_other_deliveries_of_its_batch(intake: Intake, ledger: Ledger) -> None:
    first, second, third = submit_all(intake, delivery(1), delivery(2, b"{"), delivery(3))

    assert (first, third) == (None, None)
    assert isinstance(second, NotJSON)
    assert recorded(ledger) == ["d-1", "d-3"]


def test_a_failed_batch_fails_all_its_deliveries_and_the_next_is_recorded(
    intake: Intake, ledger: Ledger
) -> None:
    with ledger.write() as tx:
        tx.exec_driver_sql("ALTER TABLE deliveries RENAME TO away")
    failed = submit_all(intake, delivery(1), delivery(2))
    with ledger.write() as tx:
        tx.exec_driver_sql("ALTER TABLE away RENAME TO deliveries")

    assert [type(error) for error in failed] == [NotRecorded, NotRecorded]
    assert submit_all(intake, delivery(3)) == [None]
    assert recorded(ledger) == ["d-3"]


def test_only_recorded_deliveries_are_nudged(ledger: Ledger) -> None:
    nudged: list[tuple[str, str]] = []
    intake = Intake(ledger, lambda forge, delivery: nudged.append((forge, delivery)))
    intake.start()

    submit_all(intake, delivery(1), delivery(2, b"nonsense"), delivery(3))
    intake.stop()

    assert nudged == [("github", "d-1"), ("github", "d-3")]


def test_a_failed_nudge_fails_no_delivery(start_intake: Callable[..., Intake], ledger: Ledger) -> None:
    def nudge(forge: str, delivery: str) -> None:
        raise ConnectionError("the broker is away")

    assert submit_all(start_intake(nudge), delivery(1), delivery(2)) == [None, None]


def test_a_nudge_that_hangs_delays_no_delivery(start_intake: Callable[..., Intake]) -> None:
    released = threading.Event()
    intake = start_intake(lambda forge, delivery: released.wait(20))

    try:
        assert submit_all(intake, delivery(1)) == [None]
        assert submit_all(intake, delivery(2)) == [None]
    finally:
        released.set()


def test_stopping_records_submitted_deliveries_and_refuses_later_ones(ledger: Ledger) -> None:
    intake = Intake(ledger, lambda forge, delivery: None)

    async def run() -> list[BaseException | None]:
        waiting = [intake.submit(delivery(number)) for number in range(200)]
        intake.start()
        intake.stop()
        late = intake.submit(delivery(999))
        return await asyncio.gather(*waiting, late, return_exceptions=True)

    *early, late = asyncio.run(run())

    assert early == [None] * 200
    assert isinstance(late, NotRecorded)
    assert str(late) == "the bot is stopping"
    assert len(recorded(ledger)) == 200
