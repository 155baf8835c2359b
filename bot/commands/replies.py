"""Replies to commands, as outbox rows: written in the transaction that answers the command."""

from collections.abc import Callable, Sequence

from sqlalchemy import Connection

from bot.commands.triggers import reply_target
from bot.domain.change import CheckState
from bot.domain.event import Event, Labelled
from bot.reports import outbox_messages
from bot.reports.outbox_messages import (
    LabelMessage,
    Message,
    ProgressMessage,
    ReactionMessage,
    ReplyMessage,
    StatusMessage,
)
from bot.store import outbox
from bot.store import runs as run_rows
from bot.store import tasks as task_rows
from bot.store.outbox import Outgoing


def accept(
    tx: Connection, event: Event, text: str, notes: Sequence[str], task_url: Callable[[str], str]
) -> None:
    """Acknowledge a command: add a reaction, remove the label, and send the handler's reply with the notes.

    If the command queued a run, the reply is the first text of the run's progress comment, which is soon
    overwritten. So the notes are a comment of their own. It links to the log, which does not exist yet: the
    page shows it as soon as there is one.
    """
    _put(tx, event, ReactionMessage(reply_target=reply_target(event)))
    if isinstance(event, Labelled):
        _put(tx, event, LabelMessage(label=event.label, on=False))
    run = run_rows.of_idempotency_key(tx, event.thread, event.cause)
    if run is None:
        post(tx, event, text, notes)
        return
    if notes:
        post(tx, event, "\n\n".join(notes))
    text = f"{text} [Watch the log]({task_url(run.task)})"
    _put(tx, event, ProgressMessage(text=text), subject=run.id)
    if pinned := task_rows.get(tx, run.task).pinned:
        status = StatusMessage(commit=pinned, state=CheckState.PENDING, description="Queued.")
        _put(tx, event, status, subject=run.id)


def decline(tx: Connection, event: Event, text: str) -> None:
    """Remove the label of a request that starts no run of its own, and send the text, if there is one."""
    if isinstance(event, Labelled):
        _put(tx, event, LabelMessage(label=event.label, on=False))
    if text:
        post(tx, event, text)


def refuse_once(tx: Connection, event: Event, text: str, notes: Sequence[str] = ()) -> None:
    """Send the reason of a refusal, unless this person was refused so on this thread before."""
    reply = _reply(event, text, notes)
    outbox_messages.put_once(tx, reply, subject=_refusal(event), thread_key=event.thread.key)


def was_refused(tx: Connection, event: Event) -> bool:
    """Report whether `refuse_once` has sent a reason to this person on this thread."""
    rows = outbox.of_subject(tx, _refusal(event), Outgoing.REPLY)
    return any(row.thread_key == event.thread.key for row in rows)


def post(tx: Connection, event: Event, text: str, notes: Sequence[str] = ()) -> None:
    """Send a comment of its own in reply to the event."""
    _put(tx, event, _reply(event, text, notes))


def _reply(event: Event, text: str, notes: Sequence[str] = ()) -> ReplyMessage:
    return ReplyMessage(text="\n\n".join([text, *notes]), reply_target=reply_target(event))


def _refusal(event: Event) -> str:
    return f"refusal:{event.actor.id}"


def _put(tx: Connection, event: Event, message: Message, *, subject: str = "") -> None:
    outbox_messages.put(tx, message, subject=subject or event.cause, thread_key=event.thread.key)
