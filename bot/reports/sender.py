"""Phase report: what stands in the outbox is written to the forge, each row once.

A call is marked in the ledger before it is made. After a crash the marker that
every comment carries is looked up before posting again: twins are deleted.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from uuid import uuid4

import structlog
from sqlalchemy import Connection

from bot.domain.change import CheckState, NewChange, Status
from bot.domain.error_policy import OPTIONAL_TRIES, REPORT, Remedy, is_report_over, report_remedy
from bot.domain.errors import ForgeError, ForgeUnavailable
from bot.domain.thread import ReplyTarget, Thread
from bot.forges.forge import Forge
from bot.reports import comments
from bot.reports.incidents import incident, incident_text
from bot.reports.publisher import Publisher
from bot.store import outbox, runs, tasks, thread_senders, threads
from bot.store.data_folder import DataFolder
from bot.store.ledger import Ledger
from bot.store.outbox import Item, Outgoing
from bot.store.process_locks import is_dead
from bot.store.shared_keys import run_token, task_url

log = structlog.get_logger()

_AFTER = {Outgoing.FINAL: Outgoing.CHANGE, Outgoing.PROGRESS: Outgoing.FINAL}  # what each waits for
_WAIT = 5.0
_LEASES = 4  # a sender's lease, in those of a run: one call may take its time
_DROPPED = frozenset({Outgoing.REACTION, Outgoing.PROGRESS})  # nice to have; the others are facts


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """The parts that sending needs. `holder` names this process, `lease` is that of its runs in seconds."""

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
    """Send what is due on this thread, unless another sender is at it."""
    holder = f"{sender.holder}/{uuid4().hex}"
    lease, dead = _lease(sender), partial(_is_dead, sender)
    while True:
        with sender.ledger.write() as tx:
            if not thread_senders.take(tx, thread_key, holder, seconds=lease, is_dead=dead):
                return
        try:
            _send_due(sender, thread_key, holder)
        finally:
            with sender.ledger.write() as tx:
                thread_senders.leave(tx, thread_key, holder)
        # Whoever was turned away while we were leaving left their row to us.
        with sender.ledger.read() as tx:
            thread = threads.get(tx, thread_key)
            if thread.forge not in sender.forges or not outbox.due(tx, thread_key):
                return


def _lease(sender: Sender) -> float:
    """For how many seconds a sender has its thread."""
    return _LEASES * sender.lease


def _is_dead(sender: Sender, holder: str) -> bool:
    """Of a sender of another host nothing is known."""
    process = holder.rpartition("/")[0]
    return process.startswith(f"{sender.host}/") and is_dead(sender.data, process)


def _send_due(sender: Sender, thread_key: str, holder: str) -> None:
    with sender.ledger.read() as tx:
        items = outbox.due(tx, thread_key)
        thread = threads.get(tx, thread_key)
    lease = _lease(sender)
    if forge := sender.forges.get(thread.forge):
        for item in items:
            with sender.ledger.write() as tx:
                if not thread_senders.hold(tx, thread_key, holder, lease):
                    return
                now = _begin(tx, item)
            if not now:
                continue
            _send_one(sender, forge, thread, item)
            with sender.ledger.write() as tx:
                if not thread_senders.hold(tx, thread_key, holder, lease):
                    outbox.look_again(tx, item)
                    return


def _begin(tx: Connection, item: Item) -> bool:
    """False: it is not its turn yet, or not wanted any more."""
    first = _AFTER.get(item.kind)
    if first is not None and outbox.unsent(tx, item.subject, first):
        outbox.try_later(tx, item, _WAIT)
        return False
    return outbox.trying(tx, item)


def _send_one(sender: Sender, forge: Forge, thread: Thread, item: Item) -> None:
    try:
        remote_id = _SEND[item.kind](sender, forge, thread, item)
        with sender.ledger.write() as tx:
            outbox.sent(tx, item, remote_id)
            if item.kind is Outgoing.FINAL:
                outbox.retire(tx, item.subject, Outgoing.PROGRESS)
    except Exception as error:  # noqa: BLE001 - a bug of ours must not hold up the thread for ever
        _not_sent(sender, item, error)


def _not_sent(sender: Sender, item: Item, error: Exception) -> None:
    """Try again later what may pass by itself, and what broke, for a while; give up what is refused."""
    failures = item.attempts + 1
    what = report_remedy(error, failures)
    if what is Remedy.INCIDENT:
        words = incident_text(incident("report broke", error, kind=item.kind, subject=item.subject))
    else:
        words = str(error)
        log.warning("not sent", kind=item.kind, subject=item.subject, remedy=what, error=words)
    asked = error.retry_after if isinstance(error, ForgeUnavailable) else None
    if is_report_over(what, failures):
        _give_up(sender, item, words)
        return
    with sender.ledger.write() as tx:
        if item.kind in _DROPPED and failures >= OPTIONAL_TRIES:
            outbox.drop(tx, item)
        else:
            outbox.try_later(tx, item, asked or REPORT.pause(failures))


def _give_up(sender: Sender, item: Item, words: str) -> None:
    """End the row in these words; where the ledger does not take them, in the number of an incident."""
    try:
        with sender.ledger.write() as tx:
            outbox.give_up(tx, item, words)
    except Exception as error:  # noqa: BLE001 - a row that cannot end would come back for ever
        number = incident("report broke", error, kind=item.kind, subject=item.subject)
        with sender.ledger.write() as tx:
            outbox.give_up(tx, item, incident_text(number))


def _mouth(sender: Sender, forge: Forge, item: Item) -> Publisher:
    # The subject is a run, whose agent had a token of its own; of other subjects there is none to tell.
    return Publisher(forge, [*sender.secrets, run_token(sender.link_key, item.subject)])


def _comment(sender: Sender, forge: Forge, thread: Thread, item: Item, text: str) -> int:
    """Post, or edit what was posted: by the stored id, or by the marker after a crash in between."""
    marker = f"<!-- forgehand:{item.kind}:{item.subject} -->"
    mouth = _mouth(sender, forge, item)
    reply_target, known = _reply_target(sender, item), item.remote_id
    if known is None and item.attempts > 0:
        found = forge.find_comments(thread, marker, reply_target)
        for twin in found[1:]:
            forge.delete_comment(thread, twin, reply_target)
        known = found[0] if found else None
    if known is None:
        return mouth.say(thread, text, marker, reply_target)
    mouth.say_instead(thread, known, text, marker, reply_target)
    return known


def _reply_target(sender: Sender, item: Item) -> ReplyTarget:
    """A reply is written where the command stood, and so is what is said of the run that came of it."""
    if item.kind is Outgoing.REPLY:
        return ReplyTarget(**item.content.get("spot", {}))
    with sender.ledger.read() as tx:
        return runs.get(tx, item.subject).reply_target


def _text(sender: Sender, forge: Forge, thread: Thread, item: Item) -> int:
    return _comment(sender, forge, thread, item, item.content["text"])


def _final(sender: Sender, forge: Forge, thread: Thread, item: Item) -> int:
    with sender.ledger.read() as tx:
        task = tasks.get(tx, runs.get(tx, item.subject).task)
        refused = dict(outbox.refusals(tx, item.subject)).get(Outgoing.CHANGE, "")
    change = comments.change_sentence(task, refused)
    lead = f"{item.content['lead']} {change}".strip()
    return _comment(sender, forge, thread, item, f"{lead}\n\n{item.content['rest']}")


def _reaction(_sender: Sender, forge: Forge, thread: Thread, item: Item) -> None:
    forge.react(thread, ReplyTarget(**item.content.get("spot", {})))


def _label(sender: Sender, forge: Forge, thread: Thread, item: Item) -> None:
    if item.content.get("on"):
        _mouth(sender, forge, item).put_label(thread, item.target)
    else:
        forge.remove_label(thread, item.target)


def _status(sender: Sender, forge: Forge, thread: Thread, item: Item) -> None:
    with sender.ledger.read() as tx:
        page = task_url(sender.public_url, sender.link_key, runs.get(tx, item.subject).task)
    verdict, description = CheckState(item.content["verdict"]), item.content["description"]
    status = Status(verdict=verdict, description=description, url=page)
    _mouth(sender, forge, item).tell_status(thread, item.target, status)


def _change(sender: Sender, forge: Forge, thread: Thread, item: Item) -> None:
    wanted = NewChange(
        head_branch=item.content["head"],
        base_branch=item.content["base"],
        title=item.content["title"],
        body=item.content["body"],
        draft=item.content["draft"],
    )
    change = _mouth(sender, forge, item).offer(thread, wanted)
    if change is None:
        raise ForgeError(f"`{wanted.base_branch}` has every commit of `{wanted.head_branch}` already.")
    with sender.ledger.write() as tx:
        task = runs.get(tx, item.subject).task
        tasks.settle(tx, task, change_number=change.number, change_url=change.url)


_SEND: dict[Outgoing, Callable[[Sender, Forge, Thread, Item], int | None]] = {
    Outgoing.REACTION: _reaction,
    Outgoing.LABEL: _label,
    Outgoing.PROGRESS: _text,
    Outgoing.REPLY: _text,
    Outgoing.STATUS: _status,
    Outgoing.CHANGE: _change,
    Outgoing.FINAL: _final,
}
