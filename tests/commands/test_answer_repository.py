"""The address of a repository comes from the forge, and not from a delivery."""

import json

import pytest
from sqlalchemy import update

from bot.domain.errors import ForgeError, ForgeUnavailable
from bot.store import schema, tasks, threads
from bot.store.ledger import clock
from tests.commands.answering_bot import EVE, Bot, comment, repository_at
from tests.support.commander import ISSUE
from tests.support.waiting import eventually


@pytest.mark.parametrize(
    "url", ["file:///srv/other", "https://evil.example.org/acme/anvil", "https://github.com/other/secret"]
)
def test_the_address_in_a_payload_is_never_used_for_a_run(bot: Bot, url: str) -> None:
    bot.comment("/run tidy it")
    payload = json.loads(comment(501, "/run tidy it again"))
    payload["repository"] |= {"html_url": url, "clone_url": url, "url": url}

    bot.answer(bot.receive("issue_comment", json.dumps(payload).encode()))

    assert [run.repository_url for run in bot.runs()] == [ISSUE.repository_url] * 2


@pytest.mark.parametrize("known", [True, False])
def test_the_repository_of_a_payload_is_found_by_its_id_and_not_by_its_name(bot: Bot, *, known: bool) -> None:
    bot.forge.repositories[1] = repository_at("acme/anvil")
    if known:
        bot.comment("/run tidy it")
    payload = json.loads(comment(501, "/run tidy it"))
    payload["repository"]["full_name"] = "acme/secret"

    bot.answer(bot.receive("issue_comment", json.dumps(payload).encode()))

    assert {run.repository_url for run in bot.runs()} == {"https://github.com/acme/anvil"}
    assert len(bot.runs()) == 1 + known
    with bot.ledger.read() as tx:
        assert threads.get(tx, ISSUE.key).path == "acme/anvil"


def test_a_listed_name_with_the_id_of_an_unlisted_repository_gets_no_answer(bot: Bot) -> None:
    bot.forge.repositories[1] = repository_at("evil/mine")

    delivery_id = bot.comment("/run tidy it")

    assert bot.has_done_nothing()
    assert bot.delivery(delivery_id).answered_at is not None
    assert bot.rows(schema.threads) == 0


def test_a_renamed_repository_is_used_under_its_new_name(bot: Bot) -> None:
    bot.comment("/run tidy it")
    bot.forge.repositories[1] = repository_at("acme/hammer")  # and another person created a new acme/anvil

    bot.comment("/run tidy it again")

    assert {run.repository_url for run in bot.runs()} == {"https://github.com/acme/hammer"}
    with bot.ledger.read() as tx:
        assert threads.get(tx, ISSUE.key).path == "acme/hammer"


def test_an_older_delivery_that_arrives_late_moves_and_renames_nothing(bot: Bot) -> None:
    late = json.loads(comment(502, "/run tidy it", at="2026-11-23T07:00:00Z"))
    late["issue"]["title"] = "Before the edit"
    bot.forge.repositories[1] = repository_at("acme/hammer")
    payload = json.loads(comment(501, "/run tidy it", at="2026-11-23T08:00:00Z"))
    payload["repository"]["full_name"] = "acme/hammer"
    bot.answer(bot.receive("issue_comment", json.dumps(payload).encode()))

    bot.answer(bot.receive("issue_comment", json.dumps(late).encode()))

    with bot.ledger.read() as tx:
        thread = threads.get(tx, ISSUE.key)
        branches = {task.branch.rpartition("-")[0] for task in tasks.of_thread(tx, ISSUE.key)}
    assert (thread.title, thread.path) == ("Tidy the parser", "acme/hammer")
    assert branches == {"forgehand/12-tidy-the-parser"}
    assert [run.repository_url for run in bot.runs()] == ["https://github.com/acme/hammer"] * 2


def test_an_answer_of_the_forge_that_is_used_late_moves_nothing_back(
    bot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = bot.receive("issue_comment", comment(501, "/run tidy it"))

    def rename_meanwhile(*_: object) -> bool:
        """Rename the repository after the forge has named it, and answer another comment."""
        monkeypatch.undo()
        asked_at = bot.now()
        eventually(lambda: bot.now() > asked_at)
        bot.forge.repositories[1] = repository_at("acme/hammer")
        bot.comment("/run tidy it now")
        return True

    bot.comment("/help")  # the repository is known
    monkeypatch.setattr(bot.forge, "may_write", rename_meanwhile)

    bot.answer(slow)

    assert [run.repository_url for run in bot.runs()] == ["https://github.com/acme/hammer"] * 2
    with bot.ledger.read() as tx:
        assert threads.get(tx, ISSUE.key).path == "acme/hammer"


@pytest.mark.parametrize("error", [ForgeUnavailable("GitHub answered 502."), ForgeError("GitHub said 403.")])
def test_the_address_of_a_repository_does_not_change_if_the_forge_does_not_give_one(
    bot: Bot, error: ForgeError
) -> None:
    bot.comment("/run tidy it")
    payload = json.loads(comment(501, "/run tidy it"))
    payload["repository"]["full_name"] = "acme/secret"
    delivery_id = bot.receive("issue_comment", json.dumps(payload).encode())
    with bot.ledger.write() as tx:
        tx.execute(update(schema.deliveries).values(received_at=clock(tx) - 3601))
    bot.forge.failing = error

    bot.answer(delivery_id)

    assert ["nothing was done" in reply for reply in bot.replies()] == [True]
    assert [run.repository_url for run in bot.runs()] == [ISSUE.repository_url]
    with bot.ledger.read() as tx:
        assert threads.get(tx, ISSUE.key).path == "acme/anvil"


@pytest.mark.parametrize("before", [ISSUE.repository_url, "file:///srv/other"])
def test_an_old_ledger_retains_its_keys_and_gets_the_address_of_the_forge(bot: Bot, before: str) -> None:
    bot.comment("/run tidy it")
    with bot.ledger.write() as tx:
        for table in (schema.threads, schema.runs):  # earlier versions took it from a delivery
            tx.execute(update(table).values(repository_url=before))

    bot.comment("/run tidy it again")

    assert {(run.thread_key, run.repository_url) for run in bot.runs()} == {(ISSUE.key, ISSUE.repository_url)}
    assert bot.rows(schema.threads) == 1


def test_a_command_without_permission_does_not_change_the_address_of_a_repository(bot: Bot) -> None:
    bot.comment("/run tidy it")
    payload = json.loads(comment(501, "/run tidy it", by=EVE))
    payload["repository"]["full_name"] = "acme/secret"

    bot.answer(bot.receive("issue_comment", json.dumps(payload).encode()))

    assert [run.repository_url for run in bot.runs()] == [ISSUE.repository_url]
