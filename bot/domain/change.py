"""Changes, their statuses, and the repositories they are in."""

from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import quote


class CheckState(StrEnum):
    """The states of a commit status, as both forges have them in one form or another."""

    PENDING = "pending"
    SUCCESS = "success"
    FAILURE = "failure"
    ERROR = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """A commit status. The adapter cuts `description` to the length that its forge accepts."""

    verdict: CheckState
    description: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeHead:
    """Branches and head of a change, as the forge has them now."""

    head: str  # commit id
    head_branch: str
    base_branch: str
    default_branch: str  # of the repository the change is for
    same_repository: bool  # False: the change comes from a fork
    open: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class NewChange:
    """A change to be opened."""

    head_branch: str
    base_branch: str
    title: str
    body: str
    draft: bool
    closes: str = ""  # reference of the issue that a merge closes, such as "#12"; "" = none


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """An open change of the bot."""

    number: int
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BranchChange:
    """A change of a branch of the repository itself, open or not."""

    number: int
    base_branch: str
    ended: bool  # merged or closed
    merged: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """A repository as it is now. A rename changes everything but the id."""

    id: int
    path: str
    url: str  # canonical; built from the settings and the path
    default_branch: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Pages:
    """URL templates of one repository, for `str.format`."""

    thread: str
    branch: str  # {branch}
    commit: str  # {sha}
    new_change: str  # {base} and {branch}: the form in which a person opens a change
    comment_page: str  # {id}
    line_comment_page: str  # {id}: a comment in a discussion on lines of a diff

    def branch_at(self, name: str) -> str:
        """Return the address of a branch's page. People may have named the branch, such as `fix/#12`."""
        return self.branch.format(branch=quote(name))
