"""Nudges: "there may be work here"."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Nudges:
    """How one part of the bot wakes another. None of them carries state, none may raise."""

    answer: Callable[[str, str], None]  # forge, delivery id
    work: Callable[[], None]
    report: Callable[[str], None]  # thread key
