"""What the bot asks of any forge. Short on purpose: one line here is two to write.

Every method may raise ForgeUnavailable (try again), ForgeGone (it is not there
any more) or ForgeError (a definite refusal). A method that writes never repeats
itself: repeating is the outbox's decision, after `find_comment`.
"""

from collections.abc import Collection
from typing import Protocol

from bot.domain.change import Change, ChangeHead, NewChange, Pages, Repository, Status
from bot.domain.event import Event, Labelled
from bot.domain.thread import Actor, Part, ReplyTarget, Thread


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

    def history_before(self, event: Event) -> list[Part]:
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

    def react(self, thread: Thread, reply_target: ReplyTarget) -> None:
        """Put eyes on the comment, or on the thread where there is none; eyes that are there are fine."""
        ...

    def comment(self, thread: Thread, body: str, reply_target: ReplyTarget) -> int:
        """Post once where `spot` is: in its discussion, and internal if it is. Return the comment's id."""
        ...

    def edit_comment(self, thread: Thread, comment_id: int, body: str, reply_target: ReplyTarget) -> None: ...

    def find_comments(self, thread: Thread, marker: str, reply_target: ReplyTarget) -> list[int]:
        """Ids of the bot's own comments that contain `marker`, oldest first."""
        ...

    def delete_comment(self, thread: Thread, comment_id: int, reply_target: ReplyTarget) -> None: ...

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

    def pages(self, thread: Thread) -> Pages:
        """Where a person would look: addresses of branch, commit and thread pages."""
        ...
