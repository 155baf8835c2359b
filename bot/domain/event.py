"""What a forge can tell us, whichever it was. No I/O.

The forges disagree on names, nesting and signatures; past this module nobody
can tell which one spoke.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from bot.domain.thread import Actor, Part, ReplyTarget, Thread


@dataclass(frozen=True, slots=True, kw_only=True)
class Commented:
    """Somebody wrote a comment: on the thread, on lines of a diff, or as a review's body. No edits."""

    cause: str  # comment:<id>, review-comment:<id>, review:<id>
    thread: Thread
    actor: Actor
    at: datetime
    context: tuple[Part, ...]
    head: str = ""  # of a change, where the delivery tells
    reply_target: ReplyTarget
    body: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """Somebody put a label on an issue or a change."""

    cause: str  # see label_cause
    thread: Thread
    actor: Actor
    at: datetime
    context: tuple[Part, ...]
    head: str = ""  # of a change, where the delivery tells
    label: str
    changed_at: datetime | None = None  # the thread, last; only where the label was found by looking


@dataclass(frozen=True, slots=True, kw_only=True)
class Assigned:
    """Somebody assigned an issue or a change to an account, or asked it for a review."""

    cause: str  # assigned:<thread>:<time>, review-requested:<thread>:<time>
    thread: Thread
    actor: Actor
    at: datetime
    context: tuple[Part, ...]
    head: str = ""  # of a change, where the delivery tells
    assignee_id: int
    review: bool  # a review is asked for


Event = Commented | Labelled | Assigned


def label_key(thread: Thread, label: str, at: datetime) -> str:
    """label:<thread>:<label>:<time>, to the second: the forges' own spellings of one time differ."""
    when = at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return f"label:{thread.kind}/{thread.number}:{label}:{when}"


def known_as(event: Event) -> list[str]:
    """Every cause this event and another telling of the same may have, the earliest first.

    A delivery says when the thread changed, whoever looks is told when the label was put on: the same
    second as a rule, but nobody promises it. So what was found goes by the seconds around it as well,
    and the ledger refuses whichever of the two comes later.
    """
    if not isinstance(event, Labelled) or event.changed_at is None:
        return [event.cause]
    return [label_key(event.thread, event.label, event.at + timedelta(seconds=n)) for n in (-1, 0, 1, 2)]
