"""Deliveries with values that the ledger cannot store, from the receiver to their end."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import select

from bot.app.sweep import Sweep
from bot.commands.answer import Answer
from bot.domain.nudges import Nudges
from bot.forges.forge import Forge
from bot.forges.github.adapter import GitHub
from bot.forges.gitlab.adapter import GitLab
from bot.store import deliveries, schema
from bot.store.ledger import Ledger
from handlers import router
from tests.support.commander import DEFAULTS, patch_url
from tests.support.rows import a_worker, nobody_is_dead
from tests.support.webhook_receiver import GITHUB, GITLAB, Dialect, Hook, receiving

HUGE = 2**63
ANN = {"id": 7, "login": "ann", "username": "ann", "type": "User"}
# No request is made to either, so the tokens may be invalid.
FORGES: dict[str, Forge] = {
    "github": GitHub(url="https://api.github.com", token="none"),
    "gitlab": GitLab(url="https://gitlab.com", token="none"),
}


def on_github(**changed: Any) -> dict[str, Any]:
    """Return the payload of a command on GitHub; `number`, `repository`, `full_name` and `at` may differ."""
    return {
        "action": "created",
        "issue": {"number": changed.get("number", 12), "title": "Tidy", "body": ""},
        "comment": {
            "id": 500,
            "body": "/run tidy",
            "user": ANN,
            "created_at": changed.get("at", "2026-11-23"),
        },
        "repository": {
            "id": changed.get("repository", 1),
            "full_name": changed.get("full_name", "acme/anvil"),
            "html_url": "https://github.com/acme/anvil",
        },
        "sender": ANN,
    }


def on_gitlab(**changed: Any) -> dict[str, Any]:
    """Return the payload of the same command on GitLab."""
    return {
        "object_kind": "note",
        "user": ANN,
        "object_attributes": {
            "id": 500,
            "note": "/run tidy",
            "noteable_type": "Issue",
            "author_id": 7,
            "created_at": changed.get("at", "2026-11-23"),
        },
        "issue": {"iid": changed.get("number", 12), "title": "Tidy"},
        "project": {
            "id": changed.get("repository", 1),
            "path_with_namespace": changed.get("full_name", "acme/anvil"),
            "web_url": "https://gitlab.com/acme/anvil",
        },
    }


@pytest.fixture(params=[(GITHUB, on_github), (GITLAB, on_gitlab)], ids=["github", "gitlab"])
def dialect_and_payload(request: pytest.FixtureRequest) -> tuple[Dialect, Any]:
    dialect, payload = request.param
    return dialect, payload


@pytest.fixture
def hook(ledger: Ledger, dialect_and_payload: tuple[Dialect, Any]) -> Iterator[Hook]:
    with receiving(ledger, dialect_and_payload[0]) as running:
        yield running


def due_deliveries(ledger: Ledger) -> list[tuple[str, str]]:
    """Return the deliveries that one sweep finds due."""
    found: list[tuple[str, str]] = []
    nudges = Nudges(
        answer=lambda forge, delivery: found.append((forge, delivery)),
        work=lambda: None,
        report=lambda _thread: None,
    )
    Sweep(ledger=ledger, worker=a_worker(), nudges=nudges, is_dead=nobody_is_dead).once()
    return found


@pytest.mark.parametrize(
    "changed",
    [
        {"number": HUGE},
        {"repository": HUGE},
        {"number": 10**4000},
        {"repository": -1},
        {"full_name": "acme/\0anvil"},
        {"at": "0001-01-01T00:00:00+14:00"},
        {"at": "9999-12-31T23:59:59-14:00"},
    ],
    ids=str,
)
def test_a_delivery_with_an_invalid_value_is_accepted_and_ends_as_unreadable_without_retries(
    hook: Hook, dialect_and_payload: tuple[Dialect, Any], changed: dict[str, Any]
) -> None:
    body = json.dumps(dialect_and_payload[1](**({"at": "2026-11-23T07:18:23Z"} | changed))).encode()
    assert hook.post(body).status_code == 202
    [key] = due_deliveries(hook.ledger)
    answer = Answer(
        ledger=hook.ledger,
        forges=FORGES,
        router=router,
        allow=["acme"],
        defaults=DEFAULTS,
        nudges=Nudges(answer=lambda _forge, _id: None, work=lambda: None, report=lambda _thread: None),
        patch_url=patch_url,
        task_url=patch_url,
    )

    answer(*key)

    d = schema.deliveries.c
    with hook.ledger.read() as tx:
        row = tx.execute(select(d.error, d.answered_at)).one()
        assert deliveries.due(tx, 10) == []
        assert tx.execute(select(schema.causes)).all() == []
    assert row.answered_at is not None
    assert row.error.startswith("unreadable: ")
    assert due_deliveries(hook.ledger) == []
