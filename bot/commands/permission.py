"""A command that was heard, and what the forge says of it.

All that an answer has to ask a forge is asked here, before its transaction begins.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import structlog

from bot.commands import triggers
from bot.commands.parser import RawCommand
from bot.domain.change import ChangeHead, Repository
from bot.domain.error_policy import PATIENCE
from bot.domain.errors import BotError, ForgeError, ForgeGone, ForgeUnavailable, NotAllowed, NotPossible
from bot.domain.event import Event
from bot.domain.thread import Kind, Part, PartKind
from bot.forges.forge import Forge

log = structlog.get_logger()

_PINS = frozenset({"run", "retry"})  # commands that start from the head a change has now
_READS = frozenset({"run", "resume"})  # commands whose agent is shown what was said before them


@dataclass(frozen=True, slots=True)
class Request:
    """A command, and what the forge said of it: why not, or where the change stands."""

    event: Event
    spoken: RawCommand
    refused: BotError | None = None
    change: ChangeHead | None = None
    said: Sequence[Part] = ()  # on the thread, before the command
    repository: Repository | None = None  # where the thread's is; None: the forge could not be asked

    @property
    def shown(self) -> list[Part]:
        """What the agent is to see of it, besides the words of the command."""
        change = [] if self.change is None else [_of_change(self.change)]
        return [*self.event.context, *change, *self.said]


def authorize(forge: Forge, heard: Request, age: float) -> Request | None:
    """What the forge says of this command; None where there is nothing to answer.

    Raises ForgeUnavailable while there is still patience (`age` is the delivery's, in seconds).
    """
    try:
        if not _is_for_us(forge, heard.event):
            return None
        heard = _located(forge, heard)
        return _asked(forge, heard)
    except ForgeUnavailable:
        if age < PATIENCE:
            raise
        words = "For an hour I could not find out whether you may do this, so nothing was done. Say it again."
        return replace(heard, refused=NotPossible(words))
    except ForgeGone as error:
        log.info("nobody is left to answer", thread=heard.event.thread.key, reason=str(error))
        return None
    except ForgeError as error:
        words = f"I could not find out whether you may do this, so nothing was done. {error}"
        return replace(heard, refused=NotPossible(words))


def _is_for_us(forge: Forge, event: Event) -> bool:
    """False: our own doing; a label that was taken off, or obeyed before; a role given to somebody else."""
    return event.actor.id != forge.whoami().id and triggers.stands(forge, event)


def _located(forge: Forge, heard: Request) -> Request:
    """The command with its repository where the forge has it.

    Asked by the id, which is what permissions hang on: a payload may name any repository beside it.
    """
    thread = heard.event.thread
    found = forge.repository(thread.repository_id)
    if found.path != thread.path:
        log.info("repository has another name", said=thread.path, found=found.path)
    thread = replace(thread, path=found.path, repository_url=found.url)
    return replace(heard, event=replace(heard.event, thread=thread), repository=found)


def _asked(forge: Forge, heard: Request) -> Request:
    event, thread = heard.event, heard.event.thread
    if not forge.may_write(thread, event.actor):
        words = "Only people who may write to this repository can tell me what to do here."
        return replace(heard, refused=NotAllowed(words))
    heard = replace(heard, event=forge.complete(event))
    if heard.spoken.name in _READS:
        # Now, and not when the run begins: it is what the person saw who gave the command.
        heard = replace(heard, said=forge.history_before(event))
    if heard.spoken.name in _PINS and thread.kind is Kind.CHANGE:
        heard = replace(heard, change=forge.change_head(thread))
    return heard


def _of_change(change: ChangeHead) -> Part:
    """From where to where a change goes."""
    whose = "" if change.same_repository else " of another repository"
    text = f"From the branch {change.head_branch}{whose}, at {change.head}, into {change.base_branch}"
    return Part(kind=PartKind.CHANGE, text=text)
