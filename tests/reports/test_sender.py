"""The sender writes a message of each kind once, to its own thread."""

from dataclasses import replace

import pytest

from bot.app.worker import build_sender
from bot.domain.change import CheckState
from bot.reports import sender
from bot.store import outbox, runs
from bot.store.outbox import NewItem, Outgoing
from tests.reports.run_outbox import COMMENTS, SHA, TEXT, Outbox
from tests.support.rows import a_thread, add_run, add_task


def test_a_message_of_every_kind_is_written_exactly_once(messages: Outbox) -> None:
    messages.forge.labels[messages.thread.key] = {"forgehand", "bug"}
    for kind in Outgoing:
        messages.want(kind)

    messages.send()
    messages.later(3600)
    messages.send()

    assert messages.forge.reactions == [(messages.thread.key, 77)]
    assert messages.forge.labels[messages.thread.key] == {"bug"}
    [(sha, status)] = messages.forge.statuses
    assert (sha, status.verdict, status.description) == (SHA, CheckState.SUCCESS, "Pushed.")
    assert status.url == messages.runtime.page(messages.run.task)
    [change] = messages.forge.changes
    assert (change.head_branch, change.base_branch, change.draft) == ("forgehand/t1", "main", True)
    reply, final = messages.bodies
    assert reply.startswith("some words\n\n<!-- forgehand:reply:")
    assert final.startswith("**Pushed.** The change is [#101](")


def test_a_reaction_without_a_comment_is_on_the_thread(messages: Outbox) -> None:
    messages.want(Outgoing.REACTION, {"spot": {}})

    messages.send()

    assert messages.forge.reactions == [(messages.thread.key, None)]


@pytest.mark.alike
@pytest.mark.parametrize("kind", COMMENTS)
def test_a_long_comment_is_cut_to_the_limit_of_the_forge_and_has_its_whole_marker(
    messages: Outbox, kind: Outgoing
) -> None:
    text = "é" * 100_000
    messages.want(kind, {"lead": text, "rest": text} if kind is Outgoing.FINAL else {"text": text})

    messages.send()

    assert messages.forge.comment_limit() - 20 < len(messages.bodies[0]) <= messages.forge.comment_limit()
    assert messages.bodies[0].endswith(f"\n\n<!-- forgehand:{kind}:{messages.run.id} -->")


def test_a_thread_of_a_forge_that_is_not_set_up_is_skipped(messages: Outbox) -> None:
    messages.want(Outgoing.REPLY)

    sender.send(build_sender(replace(messages.runtime, forges={})), messages.thread.key)

    assert messages.item(Outgoing.REPLY).attempts == 0
    messages.send()
    assert len(messages.bodies) == 1


def test_only_the_messages_of_one_thread_are_sent(messages: Outbox) -> None:
    with messages.ledger.write() as tx:
        other = runs.get(tx, add_run(tx, add_task(tx, a_thread())).id)
        wanted = NewItem(subject=other.id, kind=Outgoing.REPLY, thread_key=other.thread_key, content=TEXT)
        outbox.put(tx, wanted)
    messages.want(Outgoing.REPLY)

    messages.send()

    assert [key for key, _ in messages.forge.comments.values()] == [messages.thread.key]
