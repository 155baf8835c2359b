"""The playground's state: rows in memory, and one JSON file that survives a restart.

Rows are frozen and replaced, and every request holds `lock`, so a reader never sees half of a change.
"""

import base64
import json
import os
import secrets
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar, get_args

from bot.playground.github.review_rows import Review, ReviewComment
from bot.playground.gitlab.job_rows import Job
from bot.playground.label_event_rows import LabelEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    id: int
    login: str
    type: str  # User | Bot
    token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    id: int
    owner: str
    name: str
    created_at: str  # all times: ISO 8601, UTC, whole seconds, as GitHub writes them
    pushed_at: str
    default_branch: str = "main"
    private: bool = False
    archived: bool = False
    earlier_paths: tuple[str, ...] = ()  # owner/name before renames
    protected: tuple[str, ...] = ()  # branch patterns nobody may push to
    without_workflows: tuple[str, ...] = ()  # logins whose tokens lack the permission for workflow files
    fork_of: int = 0  # id of the parent

    @property
    def path(self) -> str:
        return f"{self.owner}/{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Collaborator:
    id: int
    repository: int
    login: str
    role: str  # read | triage | write | maintain | admin


@dataclass(frozen=True, slots=True, kw_only=True)
class Issue:
    """An issue, or a pull request if `head` is not empty. GitHub numbers both in one series.

    GitLab numbers them in two, with `iid`.
    """

    id: int
    repository: int
    number: int
    iid: int
    title: str
    body: str | None
    author: str
    created_at: str
    updated_at: str
    state: str = "open"
    closed_at: str | None = None
    labels: tuple[str, ...] = ()
    locked: bool = False
    deleted: bool = False
    head: str = ""  # branch
    head_sha: str = ""
    base: str = ""
    base_sha: str = ""
    draft: bool = False
    head_repository: int = 0  # id of the fork the branch is in; 0: the same repository
    head_owner: str = ""  # login; outlives the fork
    merged_by: str = ""  # login
    merge_sha: str = ""
    assignees: tuple[str, ...] = ()  # logins
    reviewers: tuple[str, ...] = ()  # logins whose review is asked for
    moved_to: int = 0  # id of the issue it became in another repository
    confidential: bool = False  # this and the next two: GitLab's
    approvals: tuple[str, ...] = ()  # logins
    merged_at: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Comment:
    id: int
    repository: int
    number: int
    author: str
    body: str
    created_at: str
    updated_at: str
    discussion: str = ""  # this and the following: GitLab's
    system: bool = False
    internal: bool = False
    position: str = ""  # JSON: the lines of a diff it is about

    @property
    def plain(self) -> bool:
        """Return whether GitHub knows this comment too."""
        return not (self.system or self.internal or self.position)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reaction:
    id: int
    subject: int  # id of an issue or a comment
    author: str
    content: str
    created_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    id: int
    repository: int
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    id: int
    repository: int
    sha: str
    state: str
    context: str
    description: str | None
    target_url: str | None
    author: str
    created_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Hook:
    id: int
    repository: int
    url: str
    secret: str
    events: tuple[str, ...]
    created_at: str
    forge: str = "github"  # the side that sends it: github | gitlab
    signing_token: str = ""  # GitLab's


Row = (
    Review | ReviewComment | User | Repository | Collaborator | Issue | Comment | Reaction | Label
    | Status | Job | Hook | LabelEvent
)  # fmt: skip
KINDS: tuple[type[Any], ...] = get_args(Row)
R = TypeVar("R", bound=Row)


class State:
    """All rows, by kind and id. Hold `lock` while reading or changing; call `save` after a change."""

    def __init__(self, data: Path, base_url: str) -> None:
        self.data = data
        self.base_url = base_url
        self.api_url = f"{base_url}/api/v3"
        self.lock = threading.RLock()
        self.webhook_secret = secrets.token_hex(20)
        self._last_id = 1000
        self._rows: dict[type[Any], dict[int, Any]] = {kind: {} for kind in KINDS}
        self._file = data / "state.json"
        if self._file.exists():
            self._load()

    @property
    def signing_token(self) -> str:
        """Return the secret in the form of GitLab's signing tokens: its 40 bytes are the key."""
        return f"whsec_{base64.b64encode(self.webhook_secret.encode()).decode()}"

    @property
    def empty(self) -> bool:
        return not self._rows[User]

    def new_id(self) -> int:
        self._last_id += 1
        return self._last_id

    def put(self, row: R) -> R:
        self._rows[type(row)][row.id] = row
        return row

    def drop(self, row: Row) -> None:
        del self._rows[type(row)][row.id]

    def get(self, kind: type[R], row_id: int) -> R | None:
        return self._rows[kind].get(row_id)

    def all(self, kind: type[R], where: Callable[[R], bool] = lambda row: True) -> list[R]:
        """Return the rows of a kind that `where` accepts, oldest first."""
        return [row for row in self._rows[kind].values() if where(row)]

    def first(self, kind: type[R], where: Callable[[R], bool]) -> R | None:
        return next((row for row in self._rows[kind].values() if where(row)), None)

    def user(self, login: str) -> User:
        """Return the user with this login, in any case. Raises KeyError."""
        found = self.first(User, lambda user: user.login.lower() == login.lower())
        if found is None:
            raise KeyError(login)
        return found

    def git_folder(self, repository: Repository) -> Path:
        """Return the absolute path of a repository. Its name is the id, so a rename moves nothing."""
        return self.data.absolute() / "git" / f"{repository.id}.git"

    def save(self) -> None:
        """Write a new file beside the old one and swap them."""
        tables = {kind.__name__: [asdict(row) for row in rows.values()] for kind, rows in self._rows.items()}
        text = json.dumps({"webhook_secret": self.webhook_secret, "last_id": self._last_id, **tables})
        fresh = self._file.with_suffix(".new")
        # It holds tokens, though only the playground's own.
        with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(text)
        fresh.replace(self._file)

    def _load(self) -> None:
        saved = json.loads(self._file.read_text())
        self.webhook_secret = saved["webhook_secret"]
        self._last_id = saved["last_id"]
        for kind in KINDS:
            for row in saved[kind.__name__]:
                self.put(kind(**{key: tuple(v) if isinstance(v, list) else v for key, v in row.items()}))


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def touched(issue: Issue, **changes: Any) -> Issue:
    """Return `issue` with `changes`, updated now."""
    return replace(issue, updated_at=now(), **changes)
