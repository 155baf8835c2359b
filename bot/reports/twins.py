"""Twins: comments that the forge has twice, because it carried out a write on which the bot had given up."""

import structlog

from bot.domain.error_policy import REPORT, Remedy, remedy
from bot.domain.errors import ForgeUnavailable
from bot.domain.thread import ReplyTarget, Thread
from bot.forges.forge import Forge
from bot.reports import outbox_messages
from bot.reports.incidents import incident
from bot.reports.outbox_messages import ProgressMessage, ReplyMessage
from bot.reports.publisher import marker_of
from bot.store import runs, twins
from bot.store.ledger import Ledger
from bot.store.outbox import Item

log = structlog.get_logger()


def reply_target(ledger: Ledger, item: Item) -> ReplyTarget:
    """Return the place of a comment. Comments about a run go to the place of the run's command."""
    message = outbox_messages.of_item(item)
    if isinstance(message, ReplyMessage):
        return message.reply_target
    with ledger.read() as tx:
        return runs.get(tx, item.subject).reply_target


def keep_one(forge: Forge, thread: Thread, item: Item, target: ReplyTarget) -> int | None:
    """Delete all comments of this row but one, and return its id; None if there is none.

    The comment that the ledger knows stays, else the oldest one. The living comment of a run that has ended
    may be deleted already: then none of the others takes its place.
    """
    there = forge.find_comments(thread, marker_of(item.kind, item.subject), target)
    message = outbox_messages.of_item(item)
    ended = isinstance(message, ProgressMessage) and message.ended and item.remote_id is not None
    kept = item.remote_id if ended or item.remote_id in there else next(iter(there), None)
    for twin in there:
        if twin != kept:
            forge.delete_comment(thread, twin, target)
    return kept


def look(ledger: Ledger, forge: Forge, thread: Thread, item: Item) -> None:
    """Look for twins of this row's comment once. If the forge is away, the look is repeated later."""
    try:
        kept = keep_one(forge, thread, item, reply_target(ledger, item))
        with ledger.write() as tx:
            twins.looked(tx, item.id, kept)
    except Exception as error:  # noqa: BLE001 - a bug of ours must not hold up the thread for ever
        _not_looked(ledger, item, error)


def _not_looked(ledger: Ledger, item: Item, error: Exception) -> None:
    action = remedy(error)
    if action is Remedy.INCIDENT:
        incident("look for twins broke", error, kind=item.kind, subject=item.subject)
    else:
        log.warning("twins not looked for", kind=item.kind, subject=item.subject, error=str(error))
    retry_after = error.retry_after if isinstance(error, ForgeUnavailable) else None
    with ledger.write() as tx:
        if action is Remedy.RETRY:
            twins.look_later(tx, item.id, retry_after or REPORT.pauses[-1])
        else:
            twins.looked(tx, item.id, None)
