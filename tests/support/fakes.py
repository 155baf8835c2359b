"""The one fake: a forge in memory, for tests of the bot's decisions and comments.

It stores its calls and has no rules of its own. The real behaviour of a forge is tested against the
playground.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from itertools import count
from typing import TypeVar

from bot.domain.change import BranchChange, Change, ChangeHead, NewChange, Pages, Repository, Status
from bot.domain.errors import ForgeGone
from bot.domain.event import Event, Labelled
from bot.domain.thread import Actor, Part, ReplyTarget, Thread
from bot.forges.forge import Forge
from bot.forges.github.events import parse

EventT = TypeVar("EventT", bound=Event)


@dataclass
class FakeForge:
    name: str = "github"
    me: Actor = field(default_factory=lambda: Actor(id=1, login="forgehand"))
    writers: set[str] = field(default_factory=set)  # logins
    failing: Exception | None = None  # raised by every call
    after: Callable[[], None] = lambda: None  # runs after each write, before the call returns
    no_commits: bool = False  # between any two branches
    heads: dict[str, ChangeHead] = field(default_factory=dict)  # by thread key
    of_branches: dict[str, list[BranchChange]] = field(default_factory=dict)  # by the name of the branch
    labels: dict[str, set[str]] = field(default_factory=dict)  # by thread key
    said: list[Part] = field(default_factory=list)  # comments of people, on any thread
    found: list[Labelled] = field(default_factory=list)  # results of the search for labels
    searched: list[int] = field(default_factory=list)  # ids of the repositories that were searched
    comments: dict[int, tuple[str, str]] = field(default_factory=dict)  # id -> thread key, body
    reply_targets: dict[int, ReplyTarget] = field(default_factory=dict)  # the reply target of each comment
    # by id; otherwise taken from the first event
    repositories: dict[int, Repository] = field(default_factory=dict)
    answered: set[int] = field(default_factory=set)  # ids of comments to which people reacted or replied
    reactions: list[tuple[str, int | None]] = field(default_factory=list)
    statuses: list[tuple[str, Status]] = field(default_factory=list)  # commit id, status
    changes: list[NewChange] = field(default_factory=list)
    calls: int = 0  # calls to an adapter, which would make at least one request each
    _ids: "count[int]" = field(default_factory=lambda: count(1))

    def events(self, event: str, body: bytes) -> list[Event]:
        return [self._seen(each) for each in parse(event, body)]

    def complete(self, event: Event) -> Event:
        self._fail()
        return event

    def history_before(self, event: Event) -> list[Part]:
        self._fail()
        return list(self.said)

    def whoami(self) -> Actor:
        self._fail()
        return self.me

    def repository(self, repository_id: int) -> Repository:
        self._fail()
        return self.repositories[repository_id]

    def may_write(self, thread: Thread, actor: Actor) -> bool:
        self._fail()
        return actor.login in self.writers

    def change_head(self, thread: Thread) -> ChangeHead:
        self._fail()
        return self.heads[thread.key]

    def changes_of(self, thread: Thread, branch: str) -> list[BranchChange]:
        self._fail()
        return list(self.of_branches.get(branch, []))

    def has_label(self, thread: Thread, label: str) -> bool:
        self._fail()
        return label in self.labels.get(thread.key, set())

    def remove_label(self, thread: Thread, label: str) -> None:
        self._fail()
        self.labels.get(thread.key, set()).discard(label)
        self.after()

    def labelled(self, repository_id: int, labels: Collection[str]) -> list[Labelled]:
        self.searched.append(repository_id)
        self._fail()
        found = [each for each in self.found if each.thread.repository_id == repository_id]
        return [self._seen(each) for each in found]

    def add_label(self, thread: Thread, label: str) -> None:
        self._fail()
        self.labels.setdefault(thread.key, set()).add(label)
        self.after()

    def react(self, thread: Thread, reply_target: ReplyTarget) -> None:
        self._fail()
        self.reactions.append((thread.key, reply_target.comment_id))
        self.after()

    def comment(self, thread: Thread, body: str, reply_target: ReplyTarget) -> int:
        self._fail()
        comment_id = next(self._ids)
        self.reply_targets[comment_id] = reply_target
        self.comments[comment_id] = (thread.key, body)
        self.after()
        return comment_id

    def edit_comment(self, thread: Thread, comment_id: int, body: str, reply_target: ReplyTarget) -> None:
        self._fail()
        if comment_id not in self.comments:
            raise ForgeGone("The comment is not there.")
        self.comments[comment_id] = (thread.key, body)
        self.after()

    def find_comments(self, thread: Thread, marker: str, reply_target: ReplyTarget) -> list[int]:
        self._fail()
        return [id_ for id_, (key, body) in self.comments.items() if key == thread.key and marker in body]

    def is_answered(self, thread: Thread, comment_id: int, reply_target: ReplyTarget) -> bool:
        self._fail()
        return comment_id in self.answered

    def delete_comment(self, thread: Thread, comment_id: int, reply_target: ReplyTarget) -> None:
        self._fail()
        self.comments.pop(comment_id, None)
        self.after()

    def set_status(self, thread: Thread, sha: str, status: Status) -> None:
        self._fail()
        self.statuses.append((sha, status))
        self.after()

    def open_change(self, thread: Thread, request: NewChange) -> Change | None:
        self._fail()
        if self.no_commits:
            return None
        self.changes.append(request)
        self.after()
        number = 100 + len(self.changes)
        return Change(number=number, url=f"{thread.repository_url}/pull/{number}")

    def git_headers(self, repository_url: str) -> dict[str, str]:
        return {}

    def comment_limit(self) -> int:
        return 65536

    def pages(self, thread: Thread) -> Pages:
        url = thread.repository_url
        return Pages(
            thread=f"{url}/issues/{thread.number}",
            branch=f"{url}/tree/{{branch}}",
            commit=f"{url}/commit/{{sha}}",
            new_change=f"{url}/compare/{{base}}...{{branch}}",
            comment_page=f"{url}/issues/{thread.number}#issuecomment-{{id}}",
            line_comment_page=f"{url}/pull/{thread.number}#discussion_r{{id}}",
        )

    def bodies(self, thread: Thread) -> list[str]:
        """Return the bot's comments on `thread`, oldest first."""
        return [body for key, body in self.comments.values() if key == thread.key]

    def _seen(self, event: EventT) -> EventT:
        """Take a repository's facts from its first event, unless a test has set others."""
        event = replace(event, thread=replace(event.thread, forge=self.name))
        thread = event.thread
        there = Repository(
            id=thread.repository_id,
            path=thread.path,
            url=thread.repository_url,
            default_branch="main",
        )
        self.repositories.setdefault(there.id, there)
        return event

    def _fail(self) -> None:
        self.calls += 1
        if self.failing is not None:
            raise self.failing


_: Forge = FakeForge()
