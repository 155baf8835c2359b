"""The early refusal: a mistyped command is refused before any forge is asked.

The author's permission is unknown then, so early refusals are limited:

- A person gets one reply on a thread: either an early refusal or the refusal for a missing permission.
- The repository must be known to the ledger under the name in the payload. Only the forge gives the ledger
  that name, while a signed payload may combine any name with any id.
- Labels and assignments are never refused early: only the forge knows whether they still hold.

Every other mistyped command takes the ordinary way: the forge is asked for the author's permission first, and
only a person with permission gets the explanation.
"""

from sqlalchemy import Connection

from bot.commands import replies
from bot.commands.request import Request
from bot.domain.event import Commented
from bot.store import threads


def is_due(tx: Connection, request: Request, bot_name: str) -> bool:
    """Report whether this request may be refused without asking the forge."""
    event = request.event
    if request.refusal is None or not isinstance(event, Commented):
        return False
    if event.actor.login.lower() == bot_name.lower():
        return False
    return threads.is_located(tx, event.thread) and not replies.was_refused(tx, event)
