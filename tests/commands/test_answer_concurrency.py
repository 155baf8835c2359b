"""Deliveries that are answered at once: one command is one run."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from sqlalchemy import update

from bot.store import deliveries, runs, schema
from tests.commands.answering_bot import Bot, comment


def test_the_same_delivery_ten_times_at_once_is_one_run(bot: Bot) -> None:
    delivery_id = bot.receive("issue_comment", comment(500, "/run tidy"))

    at_once(bot.answer, [delivery_id] * 10)

    assert len(bot.runs()) == 1
    assert len(bot.outbox()) == 2


def test_the_same_comment_under_ten_delivery_ids_at_once_is_one_run(bot: Bot) -> None:
    body = comment(500, "/run tidy")

    at_once(bot.answer, [bot.receive("issue_comment", body) for _ in range(10)])

    assert len(bot.runs()) == 1
    assert len(bot.outbox()) == 2
    with bot.ledger.read() as tx:
        assert deliveries.count_unanswered(tx) == 0


def test_ten_comments_at_once_are_ten_runs(bot: Bot) -> None:
    at_once(bot.answer, [bot.receive("issue_comment", comment(n, f"/run {n}")) for n in range(1, 11)])

    assert sorted(run.request for run in bot.runs()) == sorted(str(n) for n in range(1, 11))


def test_ten_resumes_at_once_add_one_run(bot: Bot) -> None:
    bot.comment("/run tidy")
    (run,) = bot.runs()
    with bot.ledger.write() as tx:
        runs.ask_cancel(tx, run)
        tx.execute(update(schema.tasks).values(state="cancelled"))

    at_once(bot.answer, [bot.receive("issue_comment", comment(n, "/resume go on")) for n in range(900, 910)])

    assert [run.number for run in bot.runs()] == [1, 2]
    assert len(bot.replies()) == 9
    with bot.ledger.read() as tx:
        assert deliveries.count_unanswered(tx) == 0


def at_once(call: Callable[[str], None], arguments: list[str]) -> None:
    """Call a function with each argument, in threads that start together; raise the first error."""
    together = Barrier(len(arguments))

    def one(argument: str) -> None:
        together.wait()
        call(argument)

    with ThreadPoolExecutor(len(arguments)) as pool:
        list(pool.map(one, arguments))
