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


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Something others wrote, which the agent is shown as information."""

    what: str  # heading
    text: str
    author: str = ""  # login; "" = unknown
    at: str = ""  # time, ISO 8601; "" = unknown
    left_out: int = 0  # characters cut off at its end


ABOUT_LINES = "The lines this was said about"  # headings of parts
COMMENT = "A comment on the thread"
LINES_COMMENT = "A comment on lines of the change"
REVIEW = "A review of the change"


OPERATOR = Actor(id=0, login="operator")
