"""The messages in the outbox, one class for each kind. Only this module knows their JSON.

The JSON keys must not change: rows that an older version wrote are still to be sent. A row also has a
target: the label of a `LabelMessage`, the commit of a `StatusMessage`, and "" for the other kinds.
"""

from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection

from bot.domain.change import CheckState, NewChange
from bot.domain.thread import ReplyTarget
from bot.store import outbox
from bot.store.outbox import Item, NewItem, Outgoing

# JSON key of each field of a change.
_CHANGE_KEYS = {
    "head_branch": "head",
    "base_branch": "base",
    "title": "title",
    "body": "body",
    "draft": "draft",
    "closes": "closes",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReactionMessage:
    """A reaction to the comment with the command, or to the thread if no comment can take one."""

    reply_target: ReplyTarget


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelMessage:
    """A label to put on the thread if `on`, else to take off."""

    label: str
    on: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyMessage:
    """A comment of its own, written beside the command."""

    text: str
    reply_target: ReplyTarget


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusMessage:
    """A commit status."""

    commit: str
    state: CheckState
    description: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FinalMessage:
    """The final comment of a run: its first line, and everything below it.

    `opened` replaces the first line if the branch has a change when the comment is sent; "" = it does not.
    None: an older version wrote the message, and a sentence about the change is to follow the first line.
    """

    lead: str
    rest: str
    opened: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgressMessage:
    """The text of the comment that is edited while a run goes on.

    With `ended`, the comment is deleted, unless people have reacted to it: then this is its last text.
    """

    text: str
    ended: bool = False


Message = (
    ReactionMessage | LabelMessage | ReplyMessage | StatusMessage | NewChange | FinalMessage | ProgressMessage
)


def put(tx: Connection, message: Message, *, subject: str, thread_key: str) -> None:
    """Add the message, or replace the subject's message of its kind and target.

    A message that the forge refused is not replaced.
    """
    outbox.put(tx, _row(message, subject, thread_key))


def put_once(tx: Connection, message: Message, *, subject: str, thread_key: str) -> bool:
    """Add the message unless the subject ever had one of its kind and target. Return True if added."""
    return outbox.put_once(tx, _row(message, subject, thread_key))


def of_item(item: Item) -> Message:
    """Return the message of a row. Raises KeyError if a required key is missing."""
    content = item.content
    match item.kind:
        case Outgoing.REACTION:
            return ReactionMessage(reply_target=_reply_target(content))
        case Outgoing.LABEL:
            return LabelMessage(label=item.target, on=bool(content.get("on")))
        case Outgoing.REPLY:
            return ReplyMessage(text=content["text"], reply_target=_reply_target(content))
        case Outgoing.STATUS:
            state, description = CheckState(content["verdict"]), content["description"]
            return StatusMessage(commit=item.target, state=state, description=description)
        case Outgoing.CHANGE:
            # An older version wrote no `closes`.
            return NewChange(**{field: content[key] for field, key in _CHANGE_KEYS.items() if key in content})
        case Outgoing.FINAL:
            return FinalMessage(lead=content["lead"], rest=content["rest"], opened=content.get("opened"))
        case Outgoing.PROGRESS:
            return ProgressMessage(text=content["text"], ended=content.get("ended", False))


def _row(message: Message, subject: str, thread_key: str) -> NewItem:
    kind, target, content = _written(message)
    return NewItem(subject=subject, kind=kind, thread_key=thread_key, content=content, target=target)


def _written(message: Message) -> tuple[Outgoing, str, dict[str, Any]]:
    """Return the row's kind, target and JSON."""
    match message:
        case ReactionMessage():
            return Outgoing.REACTION, "", {"spot": asdict(message.reply_target)}
        case LabelMessage():
            return Outgoing.LABEL, message.label, {"on": message.on}
        case ReplyMessage():
            return Outgoing.REPLY, "", {"text": message.text, "spot": asdict(message.reply_target)}
        case StatusMessage():
            content = {"verdict": message.state, "description": message.description}
            return Outgoing.STATUS, message.commit, content
        case NewChange():
            return Outgoing.CHANGE, "", {key: getattr(message, field) for field, key in _CHANGE_KEYS.items()}
        case FinalMessage():
            return Outgoing.FINAL, "", asdict(message)
        case ProgressMessage():
            return Outgoing.PROGRESS, "", {"text": message.text, **({"ended": True} if message.ended else {})}


def _reply_target(content: dict[str, Any]) -> ReplyTarget:
    """Read the reply target; the thread itself if an older version recorded none."""
    return ReplyTarget(**content.get("spot", {}))
