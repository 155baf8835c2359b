"""The forge's answers about a request: its author's permission, and the needs of its command.

Every question that an answer has for a forge is asked here, before the transaction begins.
"""

from dataclasses import replace

import structlog

from bot.commands import triggers
from bot.commands.request import Request
from bot.domain.change import ChangeHead
from bot.domain.command import Need
from bot.domain.error_policy import PATIENCE
from bot.domain.errors import ForgeError, ForgeGone, ForgeUnavailable, NotAllowed, NotPossible
from bot.domain.event import Event
from bot.domain.thread import Kind, Part, PartKind
from bot.forges.forge import Forge
from bot.text.thread_context import bounded

log = structlog.get_logger()


def authorize(forge: Forge, request: Request, age: float) -> Request | None:
    """Ask the forge whether the command still stands and its author may give it.

    Return None if there is nothing to answer. `age` is the delivery's, in seconds: while it is less than
    PATIENCE, ForgeUnavailable is raised.
    """
    try:
        if not _is_for_the_bot(forge, request.event):
            return None
        return _permitted(forge, _located(forge, request))
    except ForgeUnavailable:
        if age < PATIENCE:
            raise
        text = (
            "For an hour I could not check whether you may do this, so nothing was done. "
            "Give the command again."
        )
        return replace(request, refusal=NotPossible(text))
    except ForgeGone as error:
        log.info("thread is gone, command ignored", thread=request.event.thread.key, reason=str(error))
        return None
    except ForgeError as error:
        text = f"I could not find out whether you may do this, so nothing was done. {error}"
        return replace(request, refusal=NotPossible(text))


def _is_for_the_bot(forge: Forge, event: Event) -> bool:
    """Check that the event is not the bot's own, and that its label is on or its role is the bot's."""
    return event.actor.id != forge.whoami().id and triggers.stands(forge, event)


def _located(forge: Forge, request: Request) -> Request:
    """Look the repository up by its id, because permissions belong to the id.

    A payload may give any path and address beside that id.
    """
    thread = request.event.thread
    repository = forge.repository(thread.repository_id)
    if repository.path != thread.path:
        log.info("repository has another name", delivered=thread.path, current=repository.path)
    return request.located(repository)


def _permitted(forge: Forge, request: Request) -> Request:
    """Refuse the request if its author has no write permission, else fetch what its command needs."""
    event, thread = request.event, request.event.thread
    if not forge.may_write(thread, event.actor):
        text = "Only people who may write to this repository can tell me what to do here."
        return replace(request, refusal=NotAllowed(text))
    if request.refusal:
        return request
    event = forge.complete(event)
    # Now, and not when the run begins: the command's author saw these comments and this head.
    history = forge.history_before(event) if Need.THREAD in request.needs else []
    wants_head = Need.CHANGE_HEAD in request.needs and thread.kind is Kind.CHANGE
    change = forge.change_head(thread) if wants_head else None
    context = [*event.context, *([_change_part(change)] if change else []), *history]
    command = replace(request.command, context=bounded(context), change=change)
    return replace(request, event=event, command=command)


def _change_part(change: ChangeHead) -> Part:
    """Describe the change's branches and head for the agent."""
    source = "" if change.same_repository else " of another repository"
    text = f"From the branch {change.head_branch}{source}, at {change.head}, into {change.base_branch}"
    return Part(kind=PartKind.CHANGE, text=text)
