"""What a forge can tell us, whichever it was. No I/O.

The forges disagree on names, nesting and signatures; past this module nobody
can tell which one spoke.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from bot.clean import fence
from bot.model import Actor, Part, Spot, Thread


@dataclass(frozen=True, slots=True, kw_only=True)
class Commented:
    """Somebody wrote a comment: on the thread, on lines of a diff, or as a review's body. No edits."""

    cause: str  # comment:<id>, review-comment:<id>, review:<id>
    thread: Thread
    actor: Actor
    at: datetime
    context: tuple[Part, ...]
    head: str = ""  # of a change, where the delivery tells
    spot: Spot
    body: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """Somebody put a label on an issue or a change."""

    cause: str  # see label_cause
    thread: Thread
    actor: Actor
    at: datetime
    context: tuple[Part, ...]
    head: str = ""  # of a change, where the delivery tells
    label: str
    changed_at: datetime | None = None  # the thread, last; only where the label was found by looking


@dataclass(frozen=True, slots=True, kw_only=True)
class Assigned:
    """Somebody assigned an issue or a change to an account, or asked it for a review."""

    cause: str  # assigned:<thread>:<time>, review-requested:<thread>:<time>
    thread: Thread
    actor: Actor
    at: datetime
    context: tuple[Part, ...]
    head: str = ""  # of a change, where the delivery tells
    assignee_id: int
    review: bool  # a review is asked for


Event = Commented | Labelled | Assigned


def label_cause(thread: Thread, label: str, at: datetime) -> str:
    """label:<thread>:<label>:<time>, to the second: the forges' own spellings of one time differ."""
    when = at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return f"label:{thread.kind}/{thread.number}:{label}:{when}"


def known_as(event: Event) -> list[str]:
    """Every cause this event and another telling of the same may have, the earliest first.

    A delivery says when the thread changed, whoever looks is told when the label was put on: the same
    second as a rule, but nobody promises it. So what was found goes by the seconds around it as well,
    and the ledger refuses whichever of the two comes later.
    """
    if not isinstance(event, Labelled) or event.changed_at is None:
        return [event.cause]
    return [label_cause(event.thread, event.label, event.at + timedelta(seconds=n)) for n in (-1, 0, 1, 2)]


ABOUT_LINES = "The lines this was said about"  # headings of parts
COMMENT = "A comment on the thread"
LINES_COMMENT = "A comment on lines of the change"
REVIEW = "A review of the change"
_HUNK = 40  # lines of a hunk that are shown, the last of them the one in question


def thread_part(thread: Thread, body: str, *, author: str, at: str) -> Part:
    """Title and text of the thread, by whoever opened it."""
    return Part(
        what="The thread this was asked on", text=f"{thread.title}\n\n{body}".strip(), author=author, at=at
    )


def lines_part(path: str, line: int | None, hunk: str) -> Part:
    """The lines of a change that an inline comment is about. `line` None: the whole file, or a line gone."""
    return Part(what=ABOUT_LINES, text=_lines(path, line, hunk))


def lines_comment(path: str, line: int | None, hunk: str, body: str, *, author: str, at: str) -> Part:
    """What somebody said about lines of a change, with these lines."""
    return Part(what=LINES_COMMENT, text=f"{_lines(path, line, hunk)}\n\n{body}", author=author, at=at)


def _lines(path: str, line: int | None, hunk: str) -> str:
    where = f"{path}, line {line}" if line is not None else path
    if not hunk:
        return where
    header, *rest = hunk.split("\n")
    code = "\n".join([header, *rest[-_HUNK:]])
    return f"{where}\n{fence(code)}diff\n{code}\n{fence(code)}"
