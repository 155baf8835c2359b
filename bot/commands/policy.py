"""Rules about whom the bot answers, and in which repositories. No I/O.

Whether a person may write to a repository is not decided here: the forge is asked.
"""

from collections.abc import Collection
from urllib.parse import urlsplit

from bot.domain.event import Commented, Event
from bot.domain.thread import Thread
from bot.reports.publisher import MARKER


def is_machine(event: Event) -> bool:
    """Report whether a bot caused the event, or its text copies the bot's: a reply could start a loop."""
    return event.actor.bot or (isinstance(event, Commented) and MARKER in event.body)


def is_listed(thread: Thread, allow: Collection[str]) -> bool:
    """Report whether the repository, or an owner of it, is in `[repositories] allow`.

    An empty list allows none. An entry is `owner` or `owner/name`, also with the host in front; case does
    not matter.
    """
    host = urlsplit(thread.repository_url).netloc
    parts = thread.path.lower().split("/")
    names = {"/".join(parts[:n]) for n in range(1, len(parts) + 1)}
    listed = {entry.strip().strip("/").lower() for entry in allow}
    with_host = {f"{host}/{name}" for name in names}
    # A group may have the name of a host: the group's name alone must not match the host's entry.
    return bool(listed & with_host) or ("." not in parts[0] and bool(listed & names))
