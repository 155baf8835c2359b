"""Messages in the outbox have the JSON of older versions, and rows of older versions can be read."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from sqlalchemy import select

from bot.domain.change import CheckState, NewChange
from bot.domain.thread import ReplyTarget
from bot.reports import outbox_messages
from bot.reports.outbox_messages import (
    FinalMessage,
    LabelMessage,
    Message,
    ProgressMessage,
    ReactionMessage,
    ReplyMessage,
    StatusMessage,
)
from bot.store import outbox, threads
from bot.store.ledger import Ledger
from bot.store.outbox import Item, Outgoing
from bot.store.schema import outbox as table
from tests.support.rows import a_thread

COMMIT = "a" * 40
ON_A_COMMENT = ReplyTarget(comment_id=77, discussion="d", internal=True)
CHANGE = {
    "head": "forgehand/t1",
    "base": "main",
    "title": "Tidy",
    "body": "Made.",
    "draft": True,
    "closes": "",
}
ROWS: list[tuple[Message, Outgoing, str, Mapping[str, object]]] = [
    (
        ReactionMessage(reply_target=ON_A_COMMENT),
        Outgoing.REACTION,
        "",
        {"spot": {"comment_id": 77, "discussion": "d", "internal": True}},
    ),
    (LabelMessage(label="forgehand", on=True), Outgoing.LABEL, "forgehand", {"on": True}),
    (
        ReplyMessage(text="Done.", reply_target=ReplyTarget()),
        Outgoing.REPLY,
        "",
        {"text": "Done.", "spot": {"comment_id": None, "discussion": "", "internal": False}},
    ),
    (
        StatusMessage(commit=COMMIT, state=CheckState.PENDING, description="Queued."),
        Outgoing.STATUS,
        COMMIT,
        {"verdict": "pending", "description": "Queued."},
    ),
    (
        NewChange(head_branch="forgehand/t1", base_branch="main", title="Tidy", body="Made.", draft=True),
        Outgoing.CHANGE,
        "",
        CHANGE,
    ),
    (
        FinalMessage(lead="**Pushed.**", rest="Next."),
        Outgoing.FINAL,
        "",
        {"lead": "**Pushed.**", "rest": "Next.", "opened": None},
    ),
    (ProgressMessage(text="pushing"), Outgoing.PROGRESS, "", {"text": "pushing"}),
    (
        ProgressMessage(text="over", ended=True),
        Outgoing.PROGRESS,
        "",
        {"text": "over", "ended": True},
    ),
]


def an_item(kind: Outgoing, target: str, content: Mapping[str, object]) -> Item:
    return Item(
        id=1,
        subject="t1-1",
        kind=kind,
        target=target,
        thread_key="github:1:issue:12",
        content=dict(content),
        version=1,
        remote_id=None,
        attempts=0,
    )


@pytest.mark.parametrize(("message", "kind", "target", "content"), ROWS)
def test_a_message_is_written_with_the_keys_of_older_versions_and_read_back(
    ledger: Ledger, message: Message, kind: Outgoing, target: str, content: Mapping[str, object]
) -> None:
    thread = a_thread(12)
    with ledger.write() as tx:
        threads.add(tx, thread.key, thread)
        outbox_messages.put(tx, message, subject="t1-1", thread_key=thread.key)
        [item] = outbox.of_subject(tx, "t1-1", kind)
        stored = tx.execute(select(table.c.target)).scalar_one()

    assert (stored, item.content) == (target, content)
    assert outbox_messages.of_item(item) == message


@pytest.mark.parametrize(
    ("kind", "content", "message"),
    [
        (Outgoing.REACTION, {}, ReactionMessage(reply_target=ReplyTarget())),
        (
            Outgoing.REACTION,
            {"spot": {"comment_id": 77}},
            ReactionMessage(reply_target=ReplyTarget(comment_id=77)),
        ),
        (Outgoing.LABEL, {}, LabelMessage(label="", on=False)),
        (Outgoing.REPLY, {"text": "Done."}, ReplyMessage(text="Done.", reply_target=ReplyTarget())),
        (Outgoing.PROGRESS, {"text": "pushing", "spot": {}}, ProgressMessage(text="pushing")),
    ],
)
def test_a_row_of_an_older_version_with_other_keys_is_read(
    kind: Outgoing, content: Mapping[str, object], message: Message
) -> None:
    assert outbox_messages.of_item(an_item(kind, "", content)) == message


def test_every_kind_has_a_message() -> None:
    assert list(dict.fromkeys(kind for _, kind, _, _ in ROWS)) == list(Outgoing)


def test_no_other_module_writes_rows_of_the_outbox() -> None:
    root = Path(__file__).parents[2]
    sources = [path for folder in ("bot", "handlers") for path in (root / folder).rglob("*.py")]
    writers = {str(path.relative_to(root)) for path in sources if "NewItem" in path.read_text()}

    assert writers == {"bot/store/outbox.py", "bot/reports/outbox_messages.py"}
