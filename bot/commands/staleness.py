"""Staleness: whether a command still means the thread and the change that its author saw. No I/O.

Others may edit a thread, or push to a change, between the command and its answer.
"""

from bot.domain.change import ChangeHead
from bot.domain.errors import NotPossible
from bot.domain.event import Event, Labelled

_FRESH = 60.0  # seconds: the age limit of a command on a fork's change, to which strangers may push
_LABEL_EDIT = 2.0  # seconds: adding the label changes the thread too


def check(event: Event, change: ChangeHead | None, *, now: float) -> None:
    """Raise NotPossible if the thread or the change moved after the command.

    `now` is in seconds since the epoch.
    """
    if isinstance(event, Labelled) and event.changed_at is not None:
        _check_thread(event, (event.changed_at - event.at).total_seconds())
    if change is not None and not change.same_repository:
        _check_head(event, change, now)


def _check_thread(event: Labelled, seconds: float) -> None:
    """Refuse a label found by the scan if its thread changed after it; the scan sees the new text only."""
    if seconds > _LABEL_EDIT:
        raise NotPossible(
            f"The forge did not notify me of the label `{event.label}`, and this thread has changed since "
            "the label was added, so nothing was done. Check the thread, then remove the label and add it "
            "again, or write `/run`."
        )


def _check_head(event: Event, change: ChangeHead, now: float) -> None:
    """Refuse a command on a fork's change unless its author certainly saw the current head."""
    if event.head not in {"", change.head}:
        raise NotPossible(
            "This change comes from a fork, and it has moved since your command. "
            "Look at the change, then give the command again."
        )
    if now - event.at.timestamp() > _FRESH:
        raise NotPossible(
            "This change comes from a fork, and more than a minute passed before I handled your command: "
            "the change may have moved since. Look at the change, then give the command again."
        )
