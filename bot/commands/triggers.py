"""The commands that events stand for, one row for each kind of event.

A label or an assignment becomes the text that a comment would have had, so all three reach the same
handler after the same checks.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from bot.commands import parser
from bot.commands.options import split_options
from bot.commands.parser import RawCommand
from bot.domain.command import WHOLE_THREAD
from bot.domain.errors import BadSettings, NotUnderstood
from bot.domain.event import Assigned, Commented, Event, Labelled
from bot.domain.thread import ReplyTarget
from bot.forges.forge import Forge

LABEL = "forgehand"
# The text of a review request, for the agent.
REVIEW = "Review this change. Fix its faults, and list the decisions that a person should make."


@dataclass(frozen=True, slots=True, kw_only=True)
class Vocabulary:
    """The words that the bot understands: its name on the forge, the commands, the labels."""

    bot_name: str
    known: Collection[str]  # commands
    labels: Mapping[str, str]  # of the settings, with their texts


@dataclass(frozen=True, slots=True)
class _Trigger:
    read: Callable[[Any, Vocabulary], RawCommand | None]  # None: the event is not for the bot
    stands: Callable[[Forge, Any], bool]  # asks the forge whether the event still holds


def labels(agents: Collection[str], table: Collection[str]) -> list[str]:
    """List every label that may be a request: the bot's own, one for each agent, and those of the table."""
    return [LABEL, *(f"{LABEL}:{agent}" for agent in agents), *table]


def checked(table: Mapping[str, str], agents: Collection[str], options: Collection[str]) -> Mapping[str, str]:
    """Check the texts in the settings' table of labels, and return the table.

    A text may begin with these options of `/run`. Raises BadSettings.
    """
    for label, raw_text in table.items():
        try:
            parsed, text = split_options(raw_text, options)
        except NotUnderstood as error:
            raise BadSettings(f'[labels] run, "{label}": {error}') from None
        if parsed.agent and parsed.agent not in agents:
            known = ", ".join(agents)
            raise BadSettings(
                f'[labels] run, "{label}": there is no agent {parsed.agent}. The known agents: {known}.'
            )
        if not text:
            raise BadSettings(f'[labels] run, "{label}" has options only: add the request after them.')
    return table


def raw_command(event: Event, vocabulary: Vocabulary) -> RawCommand | None:
    """Return the command that this event stands for, or None. No call to the forge."""
    return _TRIGGERS[type(event)].read(event, vocabulary)


def stands(forge: Forge, event: Event) -> bool:
    """Ask the forge whether the event still holds: its label is on, or its role is the bot's."""
    return _TRIGGERS[type(event)].stands(forge, event)


def reply_target(event: Event) -> ReplyTarget:
    """Return the place of the reply: beside the comment, else the thread itself."""
    return event.reply_target if isinstance(event, Commented) else ReplyTarget()


def _read_comment(event: Commented, vocabulary: Vocabulary) -> RawCommand | None:
    return parser.read(event.body, bot_name=vocabulary.bot_name, known=vocabulary.known)


def _read_label(event: Labelled, vocabulary: Vocabulary) -> RawCommand | None:
    label = event.label.lower()  # for the forges, labels that differ only in case are the same
    if label == LABEL:
        return RawCommand("run", WHOLE_THREAD)
    if label.startswith(f"{LABEL}:"):
        return RawCommand("run", f'--agent "{label.removeprefix(f"{LABEL}:").strip()}" {WHOLE_THREAD}')
    text = next((text for name, text in vocabulary.labels.items() if name.lower() == label), None)
    return None if text is None else RawCommand("run", text)


def _read_assignment(event: Assigned, vocabulary: Vocabulary) -> RawCommand | None:
    return RawCommand("run", REVIEW if event.review else WHOLE_THREAD)


def _always(forge: Forge, event: Commented) -> bool:
    return True


def _is_on(forge: Forge, event: Labelled) -> bool:
    return forge.has_label(event.thread, event.label)


def _is_assigned_to_bot(forge: Forge, event: Assigned) -> bool:
    return event.assignee_id == forge.whoami().id


_TRIGGERS: dict[type[Event], _Trigger] = {
    Commented: _Trigger(_read_comment, _always),
    Labelled: _Trigger(_read_label, _is_on),
    Assigned: _Trigger(_read_assignment, _is_assigned_to_bot),
}
