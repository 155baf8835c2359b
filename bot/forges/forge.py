"""The operations that the bot needs of a forge, grouped by the part of the bot that uses them.

Every method but `events`, `comment_limit` and `pages` may call the forge, and may then raise
ForgeUnavailable (worth a retry), ForgeGone (the thread or repository is not there any more) or ForgeError
(a definite refusal). A method that writes never repeats a request whose result is unknown: the sender of
the outbox decides about a second try, after it has looked for its comment with `find_comments`.
"""

from collections.abc import Collection
from typing import Protocol

from bot.domain.change import (
    BranchChange,
    Change,
    ChangeHead,
    NewChange,
    Pages,
    Repository,
    Status,
)
from bot.domain.event import Event, Labelled
from bot.domain.thread import Actor, Part, ReplyTarget, Thread


class EventReader(Protocol):
    """Reading deliveries, and the thread that an event belongs to. Used by `commands`."""

    name: str  # as in the table of forges

    def events(self, event: str, body: bytes) -> list[Event]:
        """Read one delivery; `event` is the forge's word for its kind. [] if nothing in it concerns the bot.

        The delivery alone says which repository has the id: see `repository`. Raises ValueError if the body
        cannot be read, or if the ledger could not take a value in it.
        """
        ...

    def complete(self, event: Event) -> Event:
        """Return the event with details that its delivery lacks, such as the lines a comment is about."""
        ...

    def history_before(self, event: Event) -> list[Part]:
        """Return the comments and reviews on the event's thread before the event, oldest first.

        Of each kind, the last 200 to 300. The event's own text and the bot's comments are left out, and so
        are comments that were edited after the event. Comments for members only are included if the event
        itself is for members only.
        """
        ...

    def labelled(self, repository_id: int, labels: Collection[str]) -> list[Labelled]:
        """Return the open issues and changes that have one of these labels, up to 100 of a label and kind.

        The events are those that the deliveries would have brought, with the time of the thread's last
        change.
        """
        ...


class Permissions(Protocol):
    """Questions about a repository, its threads and people. Used by `commands` and `runs`."""

    def whoami(self) -> Actor:
        """Return the account of the bot."""
        ...

    def repository(self, repository_id: int) -> Repository:
        """Return the repository that has this id now. Raises ForgeError if the response is about another."""
        ...

    def may_write(self, thread: Thread, actor: Actor) -> bool:
        """Report whether a person may push to the repository of the thread."""
        ...

    def change_head(self, thread: Thread) -> ChangeHead:
        """Return head and branches of a change as they are now."""
        ...

    def changes_of(self, thread: Thread, branch: str) -> list[BranchChange]:
        """Return the changes of a branch of the thread's repository, newest first, up to 100.

        Changes of forks, whose branches may have the same name, are left out.
        """
        ...

    def has_label(self, thread: Thread, label: str) -> bool:
        """Report whether the thread has this label now."""
        ...


class Writer(Protocol):
    """Everything the bot writes on a thread, and the pages it links to. Used by `reports` and `web`."""

    def remove_label(self, thread: Thread, label: str) -> None:
        """Remove a label. Removing one that the thread does not have is not an error."""
        ...

    def add_label(self, thread: Thread, label: str) -> None:
        """Add a label. A label that the repository does not know is created."""
        ...

    def react(self, thread: Thread, reply_target: ReplyTarget) -> None:
        """Add the reaction "eyes" to the comment, or to the thread if there is no comment.

        A reaction that is there already is not an error.
        """
        ...

    def comment(self, thread: Thread, body: str, reply_target: ReplyTarget) -> int:
        """Post a comment and return its id.

        It goes into the discussion of `reply_target`, and is internal if the target is.
        """
        ...

    def edit_comment(self, thread: Thread, comment_id: int, body: str, reply_target: ReplyTarget) -> None:
        """Replace the body of a comment of the bot."""
        ...

    def find_comments(self, thread: Thread, marker: str, reply_target: ReplyTarget) -> list[int]:
        """Return the ids of the bot's own comments that contain `marker`, oldest first."""
        ...

    def is_answered(self, thread: Thread, comment_id: int, reply_target: ReplyTarget) -> bool:
        """Report whether somebody else reacted or replied to a comment of the bot.

        A comment that is gone is not answered. A reply that begins with a slash is a command, and answers
        nothing.
        """
        ...

    def delete_comment(self, thread: Thread, comment_id: int, reply_target: ReplyTarget) -> None:
        """Delete a comment of the bot. A comment that is gone is not an error."""
        ...

    def set_status(self, thread: Thread, sha: str, status: Status) -> None:
        """Set the bot's status on a commit."""
        ...

    def open_change(self, thread: Thread, request: NewChange) -> Change | None:
        """Open a change, or find the open one of that branch. None: no commits between the branches."""
        ...

    def comment_limit(self) -> int:
        """Return the most characters that one comment may have."""
        ...

    def pages(self, thread: Thread) -> Pages:
        """Return the addresses at which people see the thread, its branches and commits."""
        ...


class GitAccess(Protocol):
    """Credentials for git over HTTP. Used by `runs`."""

    def git_headers(self, repository_url: str) -> dict[str, str]:
        """Return HTTP headers with which git may fetch and push this URL; {} if it is not on this forge.

        They hold the token as it is now, and are never stored.
        """
        ...


class Forge(EventReader, Permissions, Writer, GitAccess, Protocol):
    """All operations of one forge, which its adapter implements with one token."""
