"""Threads, and who wrote what on them."""

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What a thread hangs on. GitLab numbers issues and changes in two series."""

    ISSUE = "issue"
    CHANGE = "change"
    CLI = "cli"  # no thread: an operator's `forgehand run`


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who did something on a forge. `bot` is the forge's own word for it."""

    id: int
    login: str
    bot: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Thread:
    """Where people talk to the bot. `forge` is "github", "gitlab", or "" for the operator's own word."""

    forge: str
    repository_id: int
    repository_url: str  # canonical, see bot/domain/repository_url.py
    path: str  # owner/name as the forge spelled it last
    kind: Kind
    number: int
    title: str = ""
    confidential: bool = False  # only members can read it

    @property
    def key(self) -> str:
        """Identity that a rename of the repository does not change."""
        return f"{self.forge}:{self.repository_id}:{self.kind}:{self.number}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyTarget:
    """Where on its thread something was said; the answer goes to the same place."""

    comment_id: int | None = None  # None: no comment that could take a reaction
    discussion: str = ""  # the forge's id of a discussion on the diff; "" = the thread itself
    internal: bool = False  # only members can read it, and only they may read the answer


class PartKind(StrEnum):
    """The kinds of text that an agent is shown as information. Stored in the ledger."""

    THREAD = "thread"  # title and text of the thread
    CHANGE = "change"  # branches and head of the change
    LINES = "lines"  # lines of the diff that the command is about
    COMMENT = "comment"  # on the thread
    LINES_COMMENT = "lines_comment"  # on lines of the diff, with these lines
    REVIEW = "review"
    OMISSION = "omission"  # our note that older comments are left out
    QUESTION = "question"  # of the last run's agent
    REASON = "reason"  # of the last run's end
    SUMMARY = "summary"  # by the last run's agent


@dataclass(frozen=True, slots=True, kw_only=True)
class DiffExcerpt:
    """Lines of a change that a comment is about."""

    path: str
    line: int | None = None  # None: the whole file, or a line that is no longer in the diff
    hunk: str = ""  # up to the line; "" = unknown


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A piece of untrusted text that the agent is shown as information."""

    kind: PartKind
    text: str
    author: str = ""  # login; "" = unknown
    at: str = ""  # time, ISO 8601; "" = unknown
    excerpt: DiffExcerpt | None = None
    left_out: int = 0  # characters cut off at its end


OPERATOR = Actor(id=0, login="operator")
