"""All example payloads that GitHub has published, from the receiver to the answer."""

import json
from collections.abc import Iterator

import pytest
from sqlalchemy import select

from bot.commands.answer import Answer
from bot.domain.event import Assigned, Commented, Event, Labelled
from bot.domain.nudges import Nudges
from bot.forges.github.events import EVENTS, parse
from bot.store import deliveries, schema
from bot.store.ledger import Ledger
from handlers import router
from tests.oracles.payloads import payloads
from tests.support.commander import DEFAULTS, a_change, patch_url
from tests.support.fakes import FakeForge
from tests.support.webhook_receiver import GITHUB, Hook, receiving


@pytest.fixture
def hook(sqlite_ledger: Ledger) -> Iterator[Hook]:
    with receiving(sqlite_ledger, GITHUB, interesting=EVENTS) as running:
        yield running


def answer(ledger: Ledger, forge: FakeForge) -> None:
    """Answer all due deliveries."""
    quiet = Nudges(answer=lambda _forge, _id: None, work=lambda: None, report=lambda _thread: None)
    owners = {json.loads(body).get("repository", {}).get("full_name", "/") for _, body in payloads()}
    heard = Answer(
        ledger=ledger,
        forges={"github": forge},
        router=router,
        allow=tuple(name.partition("/")[0] for name in owners),
        defaults=DEFAULTS,
        nudges=quiet,
        patch_url=patch_url,
        task_url=patch_url,
    )
    with ledger.read() as tx:
        waiting = deliveries.due(tx, 1_000)
    for name, delivery in waiting:
        heard(name, delivery)


def test_each_published_payload_is_accepted_and_answered_without_error_and_starts_no_task(hook: Hook) -> None:
    for number, (event, body) in enumerate(payloads()):
        assert hook.post(body, event=event, id=f"d-{number}").status_code == 202, event
    kept = [number for number, (event, _) in enumerate(payloads()) if event in EVENTS]
    assert sorted(name for name, _, _ in hook.recorded()) == sorted(f"d-{number}" for number in kept)

    answer(hook.ledger, FakeForge(writers={"Codertocat"}))

    d = schema.deliveries.c
    with hook.ledger.read() as tx:
        rows = tx.execute(select(d.id, d.error, d.answered_at)).all()
        assert [(row.id, row.error) for row in rows if row.error or row.answered_at is None] == []
        assert tx.execute(select(schema.tasks)).all() == []


def with_command(body: bytes, event: Event) -> bytes:
    """Return the payload with a command to the bot in it."""
    payload = json.loads(body)
    match event:
        case Commented():
            payload.get("comment", payload.get("review"))["body"] = "/status"
        case Labelled():
            payload["label"]["name"] = "forgehand"
        case Assigned():
            payload.get("requested_reviewer", payload.get("assignee"))["id"] = FakeForge().me.id
    return json.dumps(payload).encode()


def test_a_command_in_each_kind_of_published_payload_gets_an_idempotency_key(hook: Hook) -> None:
    forge = FakeForge(writers={"Codertocat"})
    asked = set()
    for number, (name, body) in enumerate(payloads()):
        for event in parse(name, body):
            if event.actor.bot or event.actor.login != "Codertocat":
                continue
            asked.add(event.cause if isinstance(event, Commented) else event.cause.partition(":")[0])
            forge.labels[event.thread.key] = {"forgehand"}
            forge.heads[event.thread.key] = a_change()
            hook.post(with_command(body, event), event=name, id=f"d-{number}")
    assert {cause.partition(":")[0] for cause in asked} == {
        "comment",
        "review",
        "review-comment",
        "label",
        "assigned",
        "review-requested",
    }

    answer(hook.ledger, forge)

    c, d = schema.causes.c, schema.deliveries.c
    with hook.ledger.read() as tx:
        assert [row.error for row in tx.execute(select(d.error).where(d.error != ""))] == []
        causes = set(tx.execute(select(c.cause)).scalars())
    kinds = {cause.partition(":")[0] for cause in asked}
    assert {cause.partition(":")[0] for cause in causes} == {*kinds, "act"}  # of labels and assignments
