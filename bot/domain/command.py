"""A command, as its handler sees it."""

from dataclasses import dataclass

from bot.domain.change import ChangeHead
from bot.domain.thread import Actor, Part, ReplyTarget, Thread

WHOLE_THREAD = "Do what this thread asks"  # what the label asks, an assignment, and `/run` alone


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What stood between the command word and the text. `timeout` is in seconds."""

    agent: str = ""
    model: str = ""
    base: str = ""
    here: bool = False  # push to the change's own branch
    timeout: int | None = None
    pr: str = ""  # draft | ready | link | none
    task: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What one person asks on one thread, once."""

    name: str
    text: str
    options: Options
    thread: Thread
    actor: Actor
    cause: str
    reply_target: ReplyTarget
    context: tuple[Part, ...]  # untrusted
    change: ChangeHead | None = None  # where the change stood when `/run` was answered; None on issues
