"""All deliveries are repeated twice in reverse order, under the same and under other ids: nothing changes."""

from typing import Any

import pytest
from sqlalchemy import select

from bot.domain.outcomes import Outcome
from bot.store import schema
from tests.journeys.deliveries import Delivery, under_another_id
from tests.journeys.world import World, shell
from tests.support import http
from tests.support.playground_receiver import Receiver
from tests.support.waiting import eventually

pytestmark = pytest.mark.alike

COLUMNS: dict[str, Any] = {
    "causes": select(schema.causes.c.cause, schema.causes.c.repository_id),
    "tasks": select(schema.tasks.c.id, schema.tasks.c.state, schema.tasks.c.pushed_head),
    "runs": select(schema.runs.c.id, schema.runs.c.cause, schema.runs.c.outcome, schema.runs.c.epoch),
    "outbox": select(
        schema.outbox.c.subject, schema.outbox.c.kind, schema.outbox.c.target, schema.outbox.c.content
    ),
}


def rows_of_the_ledger(full: World) -> dict[str, set[tuple[Any, ...]]]:
    """Return the ledger's commands, tasks and comments."""
    with full.ledger.read() as tx:
        return {name: {tuple(row) for row in tx.execute(query)} for name, query in COLUMNS.items()}


def post_one_of_each(full: World) -> None:
    """Post one request of each kind, and comments without a request."""
    full.push("lexer", "lexer.py", "one\ntwo")
    change = full.playground.open_pull("Add a lexer", head="lexer")
    labelled = full.playground.open_issue("Labelled", shell("true"))
    assigned = full.playground.open_issue("Assigned", shell("true"))
    full.playground.set_permission(full.playground.bot_name, "push")
    full.say(1, "Good morning.")
    full.say(1, "/run " + shell("true"))
    full.say(1, "/status", as_="reader")
    full.playground.edit(full.say(1, "/statsu"), "/status")
    full.playground.inline_comment(change, "lexer.py", 2, "/run " + shell("true"))
    full.playground.label(labelled, "forgehand")
    full.playground.assign(assigned, full.playground.bot_name)


def answer_to(full: World, delivery: Delivery) -> int:
    headers, body = delivery
    url = f"http://127.0.0.1:{full.port}{full.playground.webhook_path}"
    return http.post(url, headers=headers, content=body).status_code


@pytest.mark.long  # the recorder and the threads have quick tests of older deliveries
def test_two_redeliveries_of_everything_in_reverse_order_change_nothing(full: World) -> None:
    full.settings["limits"] = {"per_repository": 4, "per_host": 4}
    full.start()
    with Receiver() as copies:
        full.playground.set_webhook(copies.url)
        post_one_of_each(full)
        eventually(lambda: len(full.tasks()) == 4)
        eventually(lambda: all(run.ended_at for task in full.tasks() for run in full.runs(task)))
        full.settled()
        received = list(copies.got)
        assert len(received) >= 9  # one for each post
        before, said = rows_of_the_ledger(full), len(full.bot_comments(1))
        outcomes = {run.outcome for task in full.tasks() for run in full.runs(task)}
        assert outcomes == {Outcome.NO_CHANGES}

        for again in range(2):
            for sent in full.playground.deliveries():  # newest first
                full.playground.redeliver(sent["id"])
            for number, delivery in reversed(list(enumerate(received))):
                renamed = under_another_id(full.playground, delivery, f"again-{again}-{number}")
                assert answer_to(full, renamed) == 202

    full.settled()
    assert rows_of_the_ledger(full) == before
    assert len(full.bot_comments(1)) == said
