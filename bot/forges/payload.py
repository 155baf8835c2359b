"""Fields of a webhook body, looked at one by one.

Forges do not keep to their own schemas, so a payload is never held against one
as a whole: what is needed must be there, and the rest may be anything.
"""

from datetime import datetime
from typing import TypeVar

T = TypeVar("T", int, str)


def at(payload: object, path: str) -> object:
    """What stands at a dotted path; None where any part of it is missing."""
    for name in path.split("."):
        payload = payload.get(name) if isinstance(payload, dict) else None
    return payload


def get(payload: object, path: str, kind: type[T]) -> T:
    """What must be there. Raises ValueError, naming the field."""
    value = at(payload, path)
    if isinstance(value, kind) and not isinstance(value, bool):
        # The parser refuses lone surrogates by itself; PostgreSQL takes no NUL in a text.
        return value.replace("\0", "") if isinstance(value, str) else value
    raise ValueError(f"{path} is missing or no {kind.__name__}")


def text(payload: object, path: str) -> str:
    """What may be null or missing."""
    return "" if at(payload, path) is None else get(payload, path, str)


def number(payload: object, path: str) -> int | None:
    """What may be null or missing."""
    return None if at(payload, path) is None else get(payload, path, int)


def time(payload: object, path: str) -> datetime:
    """A time with its zone. Raises ValueError, naming the field."""
    given = get(payload, path, str)
    try:
        found = datetime.fromisoformat(given.replace(" UTC", "+00:00"))  # as GitLab's hooks have it
    except ValueError:
        raise ValueError(f"{path} is no time: {given[:40]!r}") from None
    if found.tzinfo is None:
        raise ValueError(f"{path} has no time zone: {given!r}")
    return found
