"""What a forge can tell us, whichever it was. No I/O.

The forges disagree on names, nesting and signatures; past this module nobody
can tell which one spoke.
"""

from dataclasses import dataclass
from datetime import datetime

from bot.model import Actor, Thread


@dataclass(frozen=True, slots=True, kw_only=True)
class Commented:
    """Somebody wrote a new comment. Edits and deletions are not events."""

    cause: str  # comment:<id>
    thread: Thread
    actor: Actor
    comment_id: int
    body: str
    at: datetime
    thread_body: str  # the or change's own text, as this delivery carries it
    default_branch: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """Somebody put a label on an issue or a change."""

    cause: str  # label:<thread>:<label>:<time>
    thread: Thread
    actor: Actor
    label: str
    at: datetime
    thread_body: str
    default_branch: str


Event = Commented | Labelled
