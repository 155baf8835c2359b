"""What the bot asks of any forge. Short on purpose: one line here is two to write.

Every method may raise ForgeUnavailable (try again), ForgeGone (it is not there
any more) or ForgeError (a definite refusal). A method that writes never repeats
itself: repeating is the outbox's decision, after `find_comment`.
"""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol
from urllib.parse import quote

from bot.events import Event, Labelled
from bot.model import Actor, Part, Spot, Thread


class Verdict(StrEnum):
    PENDING = "pending"
    SUCCESS = "success"
    FAILURE = "failure"
    ERROR = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """A commit status. `description` is cut to what the forge takes by the adapter."""

    verdict: Verdict
    description: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeHead:
    """Where a change stands now."""

    head: str  # commit id
    head_branch: str
    base_branch: str
    default_branch: str  # of the repository the change is for
    same_repository: bool  # False: it comes from a fork
    open: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class NewChange:
    head_branch: str
    base_branch: str
    title: str
    body: str
    draft: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    number: int
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """What a repository id stands for today: a rename changes everything but the id."""

    id: int
    path: str
    url: str  # canonical; built from the settings and the path
    default_branch: str


class Forge(Protocol):
    name: str  # "github", "gitlab"

    def events(self, event: str, body: bytes) -> list[Event]:
        """Read one delivery of this kind, in the forge's word; [] if it says nothing to us. No I/O.

        Which repository has the id is the delivery's word only: see `repository`. Raises ValueError on what
        cannot be read, or what the ledger could not take.
        """
        ...

    def complete(self, event: Event) -> Event:
        """The event with what its delivery left out, such as the lines a comment is about."""
        ...

    def said_before(self, event: Event) -> list[Part]:
        """What people said on the event's thread before it, oldest first: of each kind the last 200 to 300.

        Comments, reviews and what was said about lines, but not the event's own words, nor the bot's. What
        was edited since is left out, and what only members may read unless the event was among them.
        """
        ...

    def whoami(self) -> Actor: ...

    def repository(self, repository_id: int) -> Repository:
        """The repository that has this id now. Raises ForgeError on an answer about another one."""
        ...

    def may_write(self, thread: Thread, actor: Actor) -> bool: ...

    def change_head(self, thread: Thread) -> ChangeHead: ...

    def has_label(self, thread: Thread, label: str) -> bool: ...

    def remove_label(self, thread: Thread, label: str) -> None:
        """Take a label off; one that is not there is fine."""
        ...

    def labelled(self, repository_id: int, labels: Collection[str]) -> list[Labelled]:
        """Open issues and changes that wear one of these labels now, up to 100 of a label and kind.

        As their deliveries would have told it, and when each thread last changed. Raises ValueError
        on what cannot be read.
        """
        ...

    def add_label(self, thread: Thread, label: str) -> None:
        """Put a label on; one that is there is fine, one the repository does not know is made."""
        ...

    def react(self, thread: Thread, spot: Spot) -> None:
        """Put eyes on the comment, or on the thread where there is none; eyes that are there are fine."""
        ...

    def comment(self, thread: Thread, body: str, spot: Spot) -> int:
        """Post once where `spot` is: in its discussion, and internal if it is. Return the comment's id."""
        ...

    def edit_comment(self, thread: Thread, comment_id: int, body: str, spot: Spot) -> None: ...

    def find_comments(self, thread: Thread, marker: str, spot: Spot) -> list[int]:
        """Ids of the bot's own comments that contain `marker`, oldest first."""
        ...

    def delete_comment(self, thread: Thread, comment_id: int, spot: Spot) -> None: ...

    def set_status(self, thread: Thread, sha: str, status: Status) -> None: ...

    def open_change(self, thread: Thread, wanted: NewChange) -> Change | None:
        """Open a change, or find the open one of that branch. None: no commits between the two."""
        ...

    def git_headers(self, repository_url: str) -> dict[str, str]:
        """HTTP headers that let git fetch and push this URL; minted now, never stored."""
        ...

    def comment_limit(self) -> int:
        """Characters one comment may have."""
        ...

    def pages(self, thread: Thread) -> "Pages":
        """Where a person would look: addresses of branch, commit and thread pages."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Pages:
    """URL templates of one repository; fill with str.format."""

    thread: str
    branch: str  # {branch}
    commit: str  # {sha}
    new_change: str  # {base} and {branch}: where a person opens a change

    def branch_at(self, name: str) -> str:
        """Where this branch is shown; a person may have named it, `fix/#12` for instance."""
        return self.branch.format(branch=quote(name))
