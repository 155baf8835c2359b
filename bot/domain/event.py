"""The events of a forge that the bot acts on, in one form for all forges. No I/O.

The forges differ in names, nesting and signatures. Code that works with these events does not see the
difference.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from bot.domain.thread import Actor, Part, ReplyTarget, Thread


@dataclass(frozen=True, slots=True, kw_only=True)
class Commented:
    """A new comment: on the thread, on lines of a diff, or as the body of a review. Edits are not events."""

    cause: str  # comment:<id>, review-comment:<id>, review:<id>
    thread: Thread
    actor: Actor
    at: datetime
    context: tuple[Part, ...]
    head: str = ""  # of a change; "" = unknown
    reply_target: ReplyTarget
    body: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """A label that was added to an issue or a change."""

    cause: str  # see label_key
    thread: Thread
    actor: Actor
    at: datetime
    context: tuple[Part, ...]
    head: str = ""  # of a change; "" = unknown
    label: str
    changed_at: datetime | None = None  # last change of the thread; None if a delivery brought the event


@dataclass(frozen=True, slots=True, kw_only=True)
class Assigned:
    """An issue or a change that was assigned to an account, or a review requested from it."""

    cause: str  # assigned:<thread>:<time>, review-requested:<thread>:<time>
    thread: Thread
    actor: Actor
    at: datetime
    context: tuple[Part, ...]
    head: str = ""  # of a change; "" = unknown
    assignee_id: int
    review: bool  # True: a review was requested


Event = Commented | Labelled | Assigned


def described_at(event: Event) -> datetime:
    """Return the time at which the thread was as the event describes it."""
    scanned = event.changed_at if isinstance(event, Labelled) else None
    return scanned or event.at


def label_key(thread: Thread, label: str, at: datetime) -> str:
    """Return label:<thread>:<label>:<time>.

    The time is in UTC and to the second, because the forges write one time in different ways.
    """
    return f"label:{thread.kind}/{thread.number}:{label}:{_second(at)}"


def idempotency_keys(event: Event) -> list[str]:
    """Return all idempotency keys that this event may have, the earliest first.

    The bot learns of a label from a delivery, or by asking for labels whose delivery was lost. A delivery
    has the time of the thread's last change, the answer has the time of the label. These are usually the
    same second, but no forge guarantees it. So a label that was found by asking gets the keys of the
    seconds around it too, and the ledger refuses the second of the two events.
    """
    if not isinstance(event, Labelled) or event.changed_at is None:
        return [event.cause]
    return [label_key(event.thread, event.label, event.at + timedelta(seconds=n)) for n in (-1, 0, 1, 2)]


def act_keys(event: Event) -> list[str]:
    """Return the keys of the act of a person that this event reports; [] for a comment.

    The events of one act have the same account, and times that differ by at most a second. They share a
    key: act:<thread>:<account id>:<time>.
    """
    if isinstance(event, Commented):
        return []
    thread, actor = event.thread, event.actor
    seconds = [_second(event.at + timedelta(seconds=n)) for n in (0, 1)]
    return [f"act:{thread.kind}/{thread.number}:{actor.id}:{second}" for second in seconds]


def _second(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
