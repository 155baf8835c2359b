"""Threads, accounts, and the texts that people wrote on a thread."""

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """The kinds of threads. They are part of a thread's key: GitLab numbers issues and changes separately."""

    ISSUE = "issue"
    CHANGE = "change"
    CLI = "cli"  # not on a forge: a task of the operator's `forgehand run`


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """An account on a forge. `bot` is the forge's own information."""

    id: int
    login: str
    bot: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Thread:
    """An issue or a change on which people give commands; or the place of one task of the operator."""

    forge: str  # name in the table of forges; "" for a task of the operator
    repository_id: int
    repository_url: str  # canonical, see bot/domain/repository_url.py
    path: str  # owner/name, as the forge last reported it
    kind: Kind
    number: int
    title: str = ""
    confidential: bool = False  # only members can read it

    @property
    def key(self) -> str:
        """The identity of the thread, which a rename of the repository does not change."""
        return f"{self.forge}:{self.repository_id}:{self.kind}:{self.number}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyTarget:
    """The place of a command on its thread. The answer goes to the same place."""

    comment_id: int | None = None  # None: there is no comment that accepts a reaction
    discussion: str = ""  # the forge's id of a discussion on the diff; "" = the thread itself
    internal: bool = False  # only members can read the command, so only they may read the answer


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
