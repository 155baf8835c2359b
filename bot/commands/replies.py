"""What answering a command leaves to be told: outbox rows, in the transaction of the answer itself."""

from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection

from bot.commands.triggers import reply_target
from bot.domain.change import CheckState
from bot.domain.errors import BotError, NotAllowed
from bot.domain.event import Event, Labelled
from bot.store import outbox, runs
from bot.store import tasks as store
from bot.store.outbox import Outgoing, Wanted


def accepted(tx: Connection, event: Event, words: str) -> None:
    """The command was obeyed: eyes on it, the label off, and the words on the thread.

    Where a run came of it, the words open the comment that follows the run.
    """
    outbox.want(tx, _row(event, Outgoing.REACTION, {"spot": asdict(reply_target(event))}))
    if isinstance(event, Labelled):
        outbox.want(tx, _row(event, Outgoing.LABEL, {"on": False}, target=event.label))
    run = runs.of_idempotency_key(tx, event.thread, event.cause)
    if run is None:
        post(tx, event, words)
        return
    outbox.want(tx, _row(event, Outgoing.PROGRESS, {"text": words}, subject=run.id))
    pinned = store.get(tx, run.task).pinned
    if pinned:
        content = {"verdict": CheckState.PENDING, "description": "Queued."}
        outbox.want(tx, _row(event, Outgoing.STATUS, content, subject=run.id, target=pinned))


def refused(tx: Connection, event: Event, error: BotError) -> None:
    """The command was not obeyed, and this is why. Who may not command at all hears it once a thread."""
    if isinstance(error, NotAllowed):
        row = _row(event, Outgoing.REPLY, _said(event, str(error)), subject=f"refusal:{event.actor.id}")
        outbox.want_once(tx, row)
    else:
        post(tx, event, str(error))


def post(tx: Connection, event: Event, words: str) -> None:
    """Words on the thread, in a comment of their own."""
    outbox.want(tx, _row(event, Outgoing.REPLY, _said(event, words)))


def _said(event: Event, words: str) -> dict[str, Any]:
    return {"text": words, "spot": asdict(reply_target(event))}


def _row(
    event: Event, kind: Outgoing, content: dict[str, Any], *, subject: str = "", target: str = ""
) -> Wanted:
    return Wanted(
        subject=subject or event.cause,
        kind=kind,
        thread_key=event.thread.key,
        content=content,
        target=target,
    )
