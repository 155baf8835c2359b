"""Rows of GitLab's commit statuses."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A commit status of GitLab. It changes its state, where GitHub's statuses are only added."""

    id: int
    repository: int
    sha: str
    ref: str
    state: str
    name: str
    description: str | None
    target_url: str | None
    author: str
    created_at: str
