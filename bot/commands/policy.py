"""Whom the bot hears, and in which repositories. Whether a person may write is the forge's to say."""

from collections.abc import Collection
from urllib.parse import urlsplit

from bot.domain.event import Commented, Event
from bot.domain.thread import Thread
from bot.reports.publisher import MARKER


def is_machine(event: Event) -> bool:
    """Did a bot say this, or is it our own writing, copied? Answering it could go on for ever."""
    return event.actor.bot or (isinstance(event, Commented) and MARKER in event.body)


def is_listed(thread: Thread, allow: Collection[str]) -> bool:
    """Is the repository, or an owner of it, in `[repositories] allow`? An empty list means none.

    An entry is `owner` or `owner/name`, also with the host in front; case does not matter.
    """
    host = urlsplit(thread.repository_url).netloc
    parts = thread.path.lower().split("/")
    names = {"/".join(parts[:n]) for n in range(1, len(parts) + 1)}
    listed = {entry.strip().strip("/").lower() for entry in allow}
    with_host = {f"{host}/{name}" for name in names}
    # A group may be called like a host: its name alone must not pass for one.
    return bool(listed & with_host) or ("." not in parts[0] and bool(listed & names))
