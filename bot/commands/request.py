"""Requests: commands read from events, options included, before any forge is asked."""

from collections.abc import Collection
from dataclasses import dataclass, replace

from bot.commands import triggers
from bot.commands.options import split_options, unread_options
from bot.commands.parser import RawCommand
from bot.commands.router import Router
from bot.commands.triggers import Vocabulary
from bot.domain.change import Repository
from bot.domain.command import Command, Need, Options
from bot.domain.errors import BotError, NotUnderstood
from bot.domain.event import Commented, Event
from bot.domain.thread import Thread


@dataclass(frozen=True, slots=True)
class Request:
    """A command in the event that carries it.

    `refusal`: the reason why no handler gets it. `notes`: sentences for its author about unread parts.
    """

    event: Event
    command: Command
    needs: frozenset[Need] = frozenset()
    refusal: BotError | None = None
    repository: Repository | None = None  # as the forge describes it; None if the forge was not asked
    unasked: bool = False  # refused before the forge was asked about its author
    notes: tuple[str, ...] = ()
    read_at: float = 0.0  # by the ledger's clock, before the forge was asked

    def located(self, repository: Repository) -> "Request":
        """Return the request at the address that the forge gives for its repository."""
        thread = replace(self.event.thread, path=repository.path, repository_url=repository.url)
        return replace(self.about(thread), repository=repository)

    def about(self, thread: Thread) -> "Request":
        """Return the request with this description of its thread."""
        return replace(
            self,
            event=replace(self.event, thread=thread),
            command=replace(self.command, thread=thread),
        )


def read(event: Event, vocabulary: Vocabulary, router: Router) -> Request | None:
    """Return the command that the event stands for, or None. A mistyped one is refused already."""
    raw = triggers.raw_command(event, vocabulary)
    if raw is None:
        return None
    command = Command(
        name=raw.name,
        text=raw.rest,
        options=Options(),
        thread=event.thread,
        actor=event.actor,
        cause=event.cause,
        reply_target=triggers.reply_target(event),
        context=(),
    )
    notes = _other_commands(raw)
    try:
        route = router.route(raw.name)
        options, text = split_options(raw.rest, route.options)
    except NotUnderstood as error:
        return Request(event, command, refusal=error, notes=notes)
    if isinstance(event, Commented):
        notes += _unread_options(raw, route.options)
    return Request(event, replace(command, options=options, text=text), route.needs, notes=notes)


def _other_commands(raw: RawCommand) -> tuple[str, ...]:
    if not raw.others:
        return ()
    names = ", ".join(f"`/{name}`" for name in dict.fromkeys(raw.others))
    return (
        f"I obey only the first command of a comment, here `/{raw.name}`. "
        f"The rest is its text, also {names}: write each command in a comment of its own.",
    )


def _unread_options(raw: RawCommand, allowed: Collection[str]) -> tuple[str, ...]:
    names = ", ".join(f"`--{name}`" for name in unread_options(raw.rest, allowed))
    text = f"Read as text, not as an option: {names}. Options stand before the text of a command."
    return (text,) if names else ()
