"""What an event asks for: one row a kind of event, and each ends in the words a comment would have had.

So a label, an assignment and a comment meet the same handler, with the same checks.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from bot.commands import parser
from bot.commands.parser import RawCommand
from bot.domain.command import WHOLE_THREAD
from bot.domain.errors import BadSettings, NotUnderstood
from bot.domain.event import Assigned, Commented, Event, Labelled
from bot.domain.thread import ReplyTarget
from bot.forges.forge import Forge

LABEL = "forgehand"
REVIEW = "Review this change. Mend what is wrong with it, and tell what you would not decide alone."


@dataclass(frozen=True, slots=True, kw_only=True)
class Vocabulary:
    """What is understood: the bot's name on this forge, the commands, labels and what they ask for."""

    bot_name: str
    known: Collection[str]
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Trigger:
    says: Callable[[Any, Vocabulary], RawCommand | None]  # None: nothing to us
    stands: Callable[[Forge, Any], bool]  # is it so on the forge at this moment?


def labels(agents: Collection[str], table: Collection[str]) -> list[str]:
    """Every label that may be a request: the bot's own, alone and with each agent, and those of the table."""
    return [LABEL, *(f"{LABEL}:{agent}" for agent in agents), *table]


def checked(table: Mapping[str, str], agents: Collection[str], options: Collection[str]) -> Mapping[str, str]:
    """The table of labels, whose texts may begin with these options of `/run`. Raises BadSettings."""
    for label, text in table.items():
        try:
            given, asked = parser.split_options(text, options)
        except NotUnderstood as error:
            raise BadSettings(f'[labels] run, "{label}": {error}') from None
        if given.agent and given.agent not in agents:
            known = ", ".join(agents)
            raise BadSettings(
                f'[labels] run, "{label}": there is no agent {given.agent}. There are: {known}.'
            )
        if not asked:
            raise BadSettings(f'[labels] run, "{label}" has options only: say what it asks for, too.')
    return table


def raw_command(event: Event, words: Vocabulary) -> RawCommand | None:
    """The command this event stands for. Asks nobody."""
    return _TRIGGERS[type(event)].says(event, words)


def stands(forge: Forge, event: Event) -> bool:
    """Ask the forge whether this is a request to us: a label while it is on, a role if it is ours."""
    return _TRIGGERS[type(event)].stands(forge, event)


def reply_target(event: Event) -> ReplyTarget:
    """Where the event is answered."""
    return event.reply_target if isinstance(event, Commented) else ReplyTarget()


def _of_comment(event: Commented, words: Vocabulary) -> RawCommand | None:
    return parser.read(event.body, bot_name=words.bot_name, known=words.known)


def _of_label(event: Labelled, words: Vocabulary) -> RawCommand | None:
    """Forges take two labels that differ only in case for one."""
    label = event.label.lower()
    if label == LABEL:
        return RawCommand("run", WHOLE_THREAD)
    if label.startswith(f"{LABEL}:"):
        return RawCommand("run", f'--agent "{label.removeprefix(f"{LABEL}:").strip()}" {WHOLE_THREAD}')
    asked = next((text for name, text in words.labels.items() if name.lower() == label), None)
    return None if asked is None else RawCommand("run", asked)


def _of_assignment(event: Assigned, words: Vocabulary) -> RawCommand | None:
    return RawCommand("run", REVIEW if event.review else WHOLE_THREAD)


def _always(forge: Forge, event: Commented) -> bool:
    return True


def _is_on(forge: Forge, event: Labelled) -> bool:
    return forge.has_label(event.thread, event.label)


def _is_ours(forge: Forge, event: Assigned) -> bool:
    return event.assignee_id == forge.whoami().id


_TRIGGERS: dict[type[Event], _Trigger] = {
    Commented: _Trigger(_of_comment, _always),
    Labelled: _Trigger(_of_label, _is_on),
    Assigned: _Trigger(_of_assignment, _is_ours),
}
