"""What was asked some time ago: does it still mean what the person saw? No I/O.

Others may edit a thread, or push to a change, between the word and its answer.
"""

from bot.domain.change import ChangeHead
from bot.domain.errors import NotPossible
from bot.domain.event import Event, Labelled

_FRESH = 60.0  # seconds a command on a fork's change may be old: whom we do not trust can push meanwhile
_ITSELF = 2.0  # seconds: putting a label on is a change of the thread too


def refuse(event: Event, change: ChangeHead | None, *, now: float) -> None:
    """Raise NotPossible where it may not. `now` is in seconds since the epoch."""
    if isinstance(event, Labelled) and event.changed_at is not None:
        _must_be_unchanged(event, (event.changed_at - event.at).total_seconds())
    if change is not None and not change.same_repository:
        _must_be_seen(event, change, now)


def _must_be_unchanged(event: Labelled, seconds: float) -> None:
    """A delivery carries the thread as it was then; whoever looks for labels gets it as it is now."""
    if seconds > _ITSELF:
        raise NotPossible(
            f"I was not told of the label `{event.label}` and found it late, and this thread has changed "
            "since it was put on. Look at it, then take the label off and put it on again, or say `/run`."
        )


def _must_be_seen(event: Event, change: ChangeHead, now: float) -> None:
    """The head of a fork's change must be what the person saw."""
    if event.head not in {"", change.head}:
        raise NotPossible(
            "This change comes from a fork, and it has moved since you spoke. Look at it, and say it again."
        )
    if now - event.at.timestamp() > _FRESH:
        raise NotPossible(
            "This change comes from a fork, and it took me longer than a minute to get to your words: "
            "the change may have moved since. Look at it, and say it again."
        )
