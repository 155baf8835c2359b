"""Commands as their handlers see them."""

from dataclasses import dataclass
from enum import StrEnum

from bot.domain.change import ChangeHead
from bot.domain.thread import Actor, Part, ReplyTarget, Thread

WHOLE_THREAD = "Do what this thread asks"  # the text of the label, of an assignment, and of `/run` alone


class Need(StrEnum):
    """A kind of information that a command needs from the forge, besides its author's permission."""

    CHANGE_HEAD = "change head"  # the change's current head: the run starts from it
    THREAD = "thread"  # the comments before the command: the agent is shown them


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options between the command word and the text. `timeout` is in seconds."""

    agent: str = ""
    model: str = ""
    base: str = ""
    here: bool = False  # push to the change's own branch
    timeout: int | None = None
    pr: str = ""  # draft | ready | link | none
    task: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A command that one person gave once on one thread."""

    name: str
    text: str
    options: Options
    thread: Thread
    actor: Actor
    cause: str
    reply_target: ReplyTarget
    context: tuple[Part, ...]  # untrusted
    change: ChangeHead | None = None  # if the command needs `Need.CHANGE_HEAD`; None on issues
