"""Changes, their statuses, and the repositories they are in."""

from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import quote


class CheckState(StrEnum):
    PENDING = "pending"
    SUCCESS = "success"
    FAILURE = "failure"
    ERROR = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """A commit status. `description` is cut to what the forge takes by the adapter."""

    verdict: CheckState
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
