"""One act of a person starts one run.

Saving a thread once may add several labels, assign the bot and ask it for a review. GitLab reports that in
one delivery, GitHub in one for each. A comment is always an act of its own.
"""

from collections.abc import Iterable

from sqlalchemy import Connection

from bot.commands.request import Request
from bot.domain.command import WHOLE_THREAD, Options
from bot.domain.event import Assigned, Event, Labelled, act_keys
from bot.store import causes


def by_content(requests: Iterable[Request]) -> list[Request]:
    """Return the requests of a delivery, those with a text or options of their own first."""
    return sorted(requests, key=_is_bare)


def has_run(tx: Connection, event: Event) -> bool:
    """Report whether another event of the same act has started a run."""
    keys, thread = act_keys(event), event.thread
    return bool(keys) and causes.any_known(tx, thread.forge, thread.repository_id, keys)


def record_run(tx: Connection, event: Event) -> None:
    """Record that the act of this event has started a run."""
    for key in act_keys(event):
        causes.add(tx, event.thread.forge, event.thread.repository_id, key)


def not_obeyed(request: Request) -> str:
    """Return the reply to a request whose act has started a run already; "" if it asks for nothing else."""
    event = request.event
    if _is_bare(request):
        return ""
    what = "assignment"
    if isinstance(event, Labelled):
        what = f"label `{event.label}`"
    elif isinstance(event, Assigned) and event.review:
        what = "review request"
    return (
        f"The {what} came together with another request, and all of them together start one run. "
        f"The {what} was not obeyed: to start another run for it, repeat it."
    )


def _is_bare(request: Request) -> bool:
    return request.command.text == WHOLE_THREAD and request.command.options == Options()
