"""Nudges: "there may be work here"."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Nudges:
    """Functions by which one part of the bot wakes another. They carry no state and must not raise."""

    answer: Callable[[str, str], None]  # forge, delivery id
    work: Callable[[], None]
    report: Callable[[str], None]  # thread key
