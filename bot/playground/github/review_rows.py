"""Rows of GitHub's reviews and review comments."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    id: int
    repository: int
    number: int
    author: str
    state: str  # COMMENTED | APPROVED | CHANGES_REQUESTED
    body: str
    sha: str  # the head at that time
    submitted_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewComment:
    id: int
    repository: int
    number: int
    review: int  # id: GitHub makes one even for a single comment or reply
    author: str
    body: str
    path: str
    side: str  # LEFT: the base, RIGHT: the head
    line: int  # in the file of that side
    sha: str  # the head at that time
    hunk: str  # of the diff, from its header to the line
    position: int  # of the line in the file's diff, counted from its first header
    created_at: str
    updated_at: str
    reply_to: int = 0  # id of the comment that began the discussion
