"""The sender: writes the outbox's messages to the forge, each of them once.

A try is recorded in the ledger before its call to the forge. After a crash the hidden marker of the
comment is looked up before the comment is posted again, and once more a minute later; if there are
several with the marker, one stays.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from uuid import uuid4

import structlog
from sqlalchemy import Connection

from bot.domain.change import NewChange, Status
from bot.domain.error_policy import OPTIONAL_TRIES, REPORT, Remedy, away, is_report_over, report_remedy
from bot.domain.errors import ForgeError, ForgeUnavailable
from bot.domain.thread import Thread
from bot.forges.forge import Forge
from bot.reports import final_comment, living_comment_end, outbox_messages, twins
from bot.reports.incidents import incident, incident_text
from bot.reports.lease_extension import extended
from bot.reports.outbox_messages import (
    FinalMessage,
    LabelMessage,
    ProgressMessage,
    ReactionMessage,
    ReplyMessage,
    StatusMessage,
)
from bot.reports.publisher import Publisher
from bot.reports.row_comment import comment
from bot.store import outbox, runs, sender_leases, tasks, threads
from bot.store.data_folder import DataFolder
from bot.store.ledger import Ledger
from bot.store.outbox import Item, Outgoing
from bot.store.process_locks import is_dead
from bot.store.shared_keys import task_url

log = structlog.get_logger()

# The kind that must be sent before each of these kinds.
_AFTER = {Outgoing.FINAL: Outgoing.CHANGE, Outgoing.PROGRESS: Outgoing.FINAL}
_WAIT = 5.0  # seconds until a message that has to wait for another one is looked at again
# A sender's lease in leases of a run. After a death, it and the pause between two nudges take at most 30 s.
_LEASE_FACTOR = 0.5
_DROPPED = frozenset({Outgoing.REACTION, Outgoing.PROGRESS})  # kinds that are dropped after some failures


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """The parts that sending needs. `holder` names this process; `lease` is a run's, in seconds."""

    ledger: Ledger
    forges: Mapping[str, Forge]
    data: DataFolder
    host: str
    holder: str
    lease: float
    secrets: Sequence[str]
    link_key: bytes
    public_url: str


def send(sender: Sender, thread_key: str) -> None:
    """Send the due messages of this thread, unless another sender is sending them."""
    holder = f"{sender.holder}/{uuid4().hex}"
    lease, dead = _lease(sender), partial(_is_dead, sender)
    while True:
        with sender.ledger.write() as tx:
            if not sender_leases.take(tx, thread_key, holder, seconds=lease, is_dead=dead):
                return
        try:
            with extended(sender.ledger, thread_key, holder, lease):
                _send_due(sender, thread_key, holder)
        finally:
            with sender.ledger.write() as tx:
                sender_leases.release(tx, thread_key, holder)
        # A message may have been added while we held the lease, and the sender that was to send it gave up.
        with sender.ledger.read() as tx:
            thread = threads.get(tx, thread_key)
            rest = outbox.due(tx, thread_key) or outbox.due_looks(tx, thread_key)
            if thread.forge not in sender.forges or not rest:
                return


def _lease(sender: Sender) -> float:
    """Return the seconds for which a sender has its thread to itself."""
    return _LEASE_FACTOR * sender.lease


def _is_dead(sender: Sender, holder: str) -> bool:
    """Report whether another sender's process has ended. On another host that is unknown: False."""
    process = holder.rpartition("/")[0]
    return process.startswith(f"{sender.host}/") and is_dead(sender.data, process)


def _send_due(sender: Sender, thread_key: str, holder: str) -> None:
    with sender.ledger.read() as tx:
        items, looks = outbox.due(tx, thread_key), outbox.due_looks(tx, thread_key)
        thread = threads.get(tx, thread_key)
    lease = _lease(sender)
    if forge := sender.forges.get(thread.forge):
        for item in items:
            with sender.ledger.write() as tx:
                if not sender_leases.extend(tx, thread_key, holder, lease):
                    return
                now = _begin(tx, item)
            if not now:
                continue
            _send_one(sender, forge, thread, item)
            with sender.ledger.write() as tx:
                if not sender_leases.extend(tx, thread_key, holder, lease):
                    outbox.recheck(tx, item)
                    return
        for item in looks:
            with sender.ledger.write() as tx:
                if not sender_leases.extend(tx, thread_key, holder, lease):
                    return
            twins.look(sender.ledger, forge, thread, item)


def _begin(tx: Connection, item: Item) -> bool:
    """Record a try. Return False if another message goes first, or this one is not wanted any more."""
    first = _AFTER.get(item.kind)
    if first is not None and outbox.unsent(tx, item.subject, first):
        outbox.try_later(tx, item, _WAIT)
        return False
    return outbox.start_sending(tx, item)


def _send_one(sender: Sender, forge: Forge, thread: Thread, item: Item) -> None:
    try:
        remote_id = _send_message(sender, forge, thread, item)
        with sender.ledger.write() as tx:
            outbox.sent(tx, item, remote_id)
            if item.kind is Outgoing.FINAL:
                outbox.retire(tx, item.subject, Outgoing.PROGRESS)
    except Exception as error:  # noqa: BLE001 - a bug of ours must not hold up the thread for ever
        _not_sent(sender, item, error)


def _not_sent(sender: Sender, item: Item, error: Exception) -> None:
    """Schedule another try after a transient error or one of ours; give up after a definite refusal."""
    failures = item.attempts + 1
    action = report_remedy(error, failures)
    if action is Remedy.INCIDENT:
        reason = incident_text(incident("report broke", error, kind=item.kind, subject=item.subject))
    else:
        reason = str(error)
        facts = {"kind": item.kind, "subject": item.subject, "remedy": action, "error": reason}
        log.warning("message not sent", away=away(error), **facts)
    if is_report_over(action, failures):
        _give_up(sender, item, reason)
        return
    with sender.ledger.write() as tx:
        if item.kind in _DROPPED and not item.content.get("ended") and failures >= OPTIONAL_TRIES:
            outbox.drop(tx, item)
        else:
            retry_after = error.retry_after if isinstance(error, ForgeUnavailable) else None
            outbox.try_later(tx, item, retry_after or REPORT.pause(failures))


def _give_up(sender: Sender, item: Item, reason: str) -> None:
    """End the row with this reason, or with an incident's number if the ledger rejects the reason."""
    try:
        with sender.ledger.write() as tx:
            outbox.give_up(tx, item, reason)
    except Exception as error:  # noqa: BLE001 - a row that cannot end would come back for ever
        number = incident("report broke", error, kind=item.kind, subject=item.subject)
        with sender.ledger.write() as tx:
            outbox.give_up(tx, item, incident_text(number))


def _send_message(sender: Sender, forge: Forge, thread: Thread, item: Item) -> int | None:
    """Make the call for one row; return the id of the comment, None for the other kinds."""
    publisher = Publisher(forge, sender.secrets)
    match outbox_messages.of_item(item):
        case ReactionMessage(reply_target=target):
            forge.react(thread, target)
        case LabelMessage(label=label, on=True):
            publisher.add_label(thread, label)
        case LabelMessage(label=label):
            forge.remove_label(thread, label)
        case StatusMessage() as status:
            _set_status(sender, publisher, thread, item.subject, status)
        case NewChange() as change:
            _open_change(sender, publisher, thread, item.subject, change)
        case ProgressMessage(ended=True) as ended:
            return living_comment_end.end(sender.ledger, publisher, thread, item, ended)
        case ReplyMessage(text=text) | ProgressMessage(text=text):
            return comment(publisher, thread, item, text, twins.reply_target(sender.ledger, item))
        case FinalMessage() as final:
            text = _final_text(sender, item.subject, final)
            return comment(publisher, thread, item, text, twins.reply_target(sender.ledger, item))
    return None


def _final_text(sender: Sender, run_id: str, final: FinalMessage) -> str:
    with sender.ledger.read() as tx:
        task = tasks.get(tx, runs.get(tx, run_id).task)
        refusal = dict(outbox.refusals(tx, run_id)).get(Outgoing.CHANGE, "")
    return final_comment.with_change(final, task, refusal)


def _set_status(
    sender: Sender, publisher: Publisher, thread: Thread, run_id: str, message: StatusMessage
) -> None:
    with sender.ledger.read() as tx:
        page = task_url(sender.public_url, sender.link_key, runs.get(tx, run_id).task)
    status = Status(verdict=message.state, description=message.description, url=page)
    publisher.set_status(thread, message.commit, status)


def _open_change(sender: Sender, publisher: Publisher, thread: Thread, run_id: str, new: NewChange) -> None:
    change = publisher.open_change(thread, new)
    if change is None:
        raise ForgeError(f"`{new.base_branch}` already has every commit of `{new.head_branch}`.")
    with sender.ledger.write() as tx:
        task = runs.get(tx, run_id).task
        tasks.write(tx, task, change_number=change.number, change_url=change.url)
