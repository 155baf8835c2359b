"""The messages that answer a command: outbox rows, written in the transaction of the answer itself."""

from sqlalchemy import Connection

from bot.commands.triggers import reply_target
from bot.domain.change import CheckState
from bot.domain.errors import BotError, NotAllowed
from bot.domain.event import Event, Labelled
from bot.reports import messages
from bot.reports.messages import (
    LabelMessage,
    Message,
    ProgressMessage,
    ReactionMessage,
    ReplyMessage,
    StatusMessage,
)
from bot.store import runs
from bot.store import tasks as store


def accepted(tx: Connection, event: Event, text: str) -> None:
    """Acknowledge a command: react to it, take its label off and send the reply.

    If the command queued a run, the reply is the first text of the comment that follows the run.
    """
    _want(tx, event, ReactionMessage(reply_target=reply_target(event)))
    if isinstance(event, Labelled):
        _want(tx, event, LabelMessage(label=event.label, on=False))
    run = runs.of_idempotency_key(tx, event.thread, event.cause)
    if run is None:
        post(tx, event, text)
        return
    _want(tx, event, ProgressMessage(text=text), subject=run.id)
    if pinned := store.get(tx, run.task).pinned:
        status = StatusMessage(commit=pinned, state=CheckState.PENDING, description="Queued.")
        _want(tx, event, status, subject=run.id)


def refused(tx: Connection, event: Event, error: BotError) -> None:
    """Send the reason why a command was refused; to a person without permission, once a thread."""
    if isinstance(error, NotAllowed):
        reply = _reply(event, str(error))
        subject = f"refusal:{event.actor.id}"
        messages.want_once(tx, reply, subject=subject, thread_key=event.thread.key)
    else:
        post(tx, event, str(error))


def post(tx: Connection, event: Event, text: str) -> None:
    """Send a comment of its own to the thread."""
    _want(tx, event, _reply(event, text))


def _reply(event: Event, text: str) -> ReplyMessage:
    return ReplyMessage(text=text, reply_target=reply_target(event))


def _want(tx: Connection, event: Event, message: Message, *, subject: str = "") -> None:
    messages.want(tx, message, subject=subject or event.cause, thread_key=event.thread.key)
