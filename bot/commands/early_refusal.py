"""The early refusal: a mistyped command is refused before any forge is asked.

Nobody has confirmed the author's permission then. So an early refusal reaches no more people than the
refusal of a person without permission: both are one reply per person and thread, whichever comes first.
It is given only if the forge itself has named the repository before, because a payload may give any name
beside an id. Every other mistyped command takes the ordinary way: the forge is asked about its author, and
the mistake is explained to people with permission only.
"""

from sqlalchemy import Connection

from bot.commands import replies
from bot.commands.request import Request
from bot.domain.event import Commented
from bot.store import threads


def is_due(tx: Connection, request: Request, bot_name: str) -> bool:
    """Return True if this request may be refused without asking the forge."""
    event = request.event
    if request.refusal is None or not isinstance(event, Commented):
        return False  # a label or an assignment may be gone: only the forge knows
    if event.actor.login.lower() == bot_name.lower():
        return False
    return threads.is_located(tx, event.thread) and not replies.was_refused(tx, event)
