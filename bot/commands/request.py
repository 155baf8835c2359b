"""Requests: commands read from events, options included, before any forge is asked."""

from dataclasses import dataclass, replace

from bot.commands import triggers
from bot.commands.options import split_options
from bot.commands.router import Router
from bot.commands.triggers import Vocabulary
from bot.domain.change import Repository
from bot.domain.command import Command, Need, Options
from bot.domain.errors import BotError, NotUnderstood
from bot.domain.event import Event


@dataclass(frozen=True, slots=True)
class Request:
    """A command in the event that carries it. `refusal`: the reason why no handler gets it."""

    event: Event
    command: Command
    needs: frozenset[Need] = frozenset()
    refusal: BotError | None = None
    repository: Repository | None = None  # as the forge describes it; None if the forge was not asked
    unasked: bool = False  # refused before the forge was asked about its author

    def located(self, repository: Repository) -> "Request":
        """Return the request at the address that the forge gives for its repository."""
        thread = replace(self.event.thread, path=repository.path, repository_url=repository.url)
        return replace(
            self,
            event=replace(self.event, thread=thread),
            command=replace(self.command, thread=thread),
            repository=repository,
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
    try:
        route = router.route(raw.name)
        options, text = split_options(raw.rest, route.options)
    except NotUnderstood as error:
        return Request(event, command, refusal=error)
    return Request(event, replace(command, options=options, text=text), route.needs)
