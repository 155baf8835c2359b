"""A delivery that cannot be read or answered ends: at once, after five tries or after an hour."""

import json
from dataclasses import replace

import pytest
from sqlalchemy import update
from sqlalchemy.exc import (
    DataError,
    DBAPIError,
    InterfaceError,
    InternalError,
    OperationalError,
    StatementError,
)
from structlog.testing import capture_logs

from bot.commands.answer import Answer
from bot.domain.event import Event
from bot.domain.nudges import Nudges
from bot.store import deliveries, schema
from bot.store.ledger import clock
from tests.commands.answering_bot import ANN, Bot, comment, open_a_task_and_raise, router_of
from tests.support.commander import DEFAULTS, patch_url
from tests.support.fakes import FakeForge


@pytest.mark.parametrize("body", [b"{", b"[]", b"{}", b'{"action": "created"}', b"\xff"])
def test_an_unreadable_delivery_ends_with_the_reason(bot: Bot, body: bytes) -> None:
    delivery_id = bot.receive("issue_comment", body)

    bot.answer(delivery_id)

    assert bot.has_done_nothing()
    assert bot.delivery(delivery_id).answered_at is not None
    assert bot.delivery(delivery_id).error.startswith("unreadable: ")


def test_a_bug_is_tried_five_times_and_then_reported_with_an_incident_number(bot: Bot) -> None:
    bot.router = router_of(open_a_task_and_raise(ZeroDivisionError("secret detail")))
    with capture_logs() as logged:
        delivery_id = bot.comment("/run tidy")
        for _ in range(3):
            bot.answer(delivery_id)
        assert bot.has_done_nothing()

        bot.answer(delivery_id)

    (reply,) = bot.replies()
    number = bot.delivery(delivery_id).error.removeprefix("incident ")
    assert [line["incident"] for line in logged if line["event"] == "delivery answer failed"][4:] == [number]
    assert f"incident number `{number}`" in reply
    assert "secret" not in reply
    assert bot.delivery(delivery_id).answered_at is not None
    assert bot.rows(schema.tasks, schema.runs) == 0


def test_a_delivery_of_an_unknown_forge_ends_after_five_tries(bot: Bot) -> None:
    delivery_id = bot.receive("issue_comment", comment(1, "/run tidy"), forge="elsewhere")
    answer = Answer(
        ledger=bot.ledger,
        forges={},
        router=bot.router,
        allow=bot.allow,
        defaults=DEFAULTS,
        nudges=Nudges(answer=lambda _forge, _id: None, work=lambda: None, report=lambda _key: None),
        patch_url=patch_url,
        task_url=patch_url,
    )

    with capture_logs():
        for _ in range(5):
            answer("elsewhere", delivery_id)

    assert bot.has_done_nothing()
    assert bot.delivery(delivery_id).answered_at is not None


HUGE = 2**63


@pytest.mark.parametrize("number", [0, -1, HUGE, 10**4000, 1.5, True, "12"])
@pytest.mark.parametrize("field", ["repository.id", "issue.number", "comment.id", "comment.user.id"])
def test_a_delivery_with_a_number_that_the_ledger_cannot_store_is_unreadable_at_once(
    bot: Bot, field: str, number: object
) -> None:
    payload = json.loads(comment(500, "/run tidy", by=dict(ANN)))
    *path, last = field.split(".")
    parent = payload
    for name in path:
        parent = parent[name]
    parent[last] = number
    delivery_id = bot.receive("issue_comment", json.dumps(payload).encode())

    bot.answer(delivery_id)

    assert bot.has_done_nothing()
    assert bot.delivery(delivery_id).answered_at is not None
    assert bot.delivery(delivery_id).error.startswith(f"unreadable: {field} is ")


# Errors of the ledger on values that it cannot store, and other errors that a delivery may cause.
BREAKING = [
    OverflowError("Python int too large to convert to SQLite INTEGER"),
    DataError("INSERT", {}, Exception("bigint out of range")),
    StatementError("INSERT", "INSERT", {}, Exception("no")),
    UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed"),
    RecursionError("maximum recursion depth exceeded"),
    MemoryError(),
    KeyError("x"),
]


@pytest.mark.parametrize("error", BREAKING, ids=lambda error: type(error).__name__)
def test_a_delivery_ends_after_five_tries_even_if_no_reply_can_be_written(bot: Bot, error: Exception) -> None:
    bot.router = router_of(open_a_task_and_raise(error))
    bot.forge = Unbounded(writers={"ann"})

    with capture_logs() as logged:
        delivery_id = bot.comment("/run tidy")
        for _ in range(4):
            assert bot.delivery(delivery_id).answered_at is None
            bot.answer(delivery_id)

    row = bot.delivery(delivery_id)
    assert row.answered_at is not None
    assert row.error.startswith("incident ")
    assert [line["event"] for line in logged if line["log_level"] == "error"] == [
        *["delivery answer failed"] * 5,
        "incident not reported to the thread",
    ]
    assert bot.has_done_nothing()
    with bot.ledger.read() as tx:
        assert deliveries.due(tx, 10) == []
        assert deliveries.count_unanswered(tx) == 0


@pytest.mark.parametrize("kind", [OperationalError, InterfaceError, InternalError])
def test_a_delivery_whose_error_looks_like_an_unavailable_ledger_ends_after_an_hour(
    bot: Bot, kind: type[DBAPIError]
) -> None:
    # PostgreSQL reports a key that is too long for an index with the class of its own failures.
    error = kind("INSERT", {}, Exception("index row size exceeds btree maximum"))
    bot.router = router_of(open_a_task_and_raise(error))
    with capture_logs():
        delivery_id = bot.comment("/run tidy")
        for _ in range(6):
            bot.answer(delivery_id)
        assert bot.delivery(delivery_id).answered_at is None
        with bot.ledger.write() as tx:
            tx.execute(update(schema.deliveries).values(received_at=clock(tx) - 3601))

        bot.answer(delivery_id)

    assert bot.delivery(delivery_id).answered_at is not None
    assert ["incident" in reply for reply in bot.replies()] == [True]


class Unbounded(FakeForge):
    """A forge whose thread has a number too large for any column, as a faulty adapter might give."""

    def events(self, event: str, body: bytes) -> list[Event]:
        return [
            replace(each, thread=replace(each.thread, number=HUGE)) for each in super().events(event, body)
        ]
