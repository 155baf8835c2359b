"""Rows of labels added to and removed from a thread."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelEvent:
    id: int
    subject: int  # id of an issue
    author: str
    label: str
    added: bool
    created_at: str
