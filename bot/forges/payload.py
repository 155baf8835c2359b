"""Fields of what a forge sends, in a webhook body or an API answer, looked at one by one.

Forges do not keep to their own schemas, so a payload is never held against one
as a whole: what is needed must be there, and the rest may be anything. What is
read is held within what the ledger can take, so that no value breaks there.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TypeVar

from bot.domain.errors import ForgeError

T = TypeVar("T", int, str)

_LARGEST_ID = 2**63 - 1
_LARGEST_COUNT = 2**53
# Names become part of keys, and PostgreSQL takes no more than 2,700 bytes into an index.
_LONGEST_NAME = 255  # characters
_LONGEST_TIME = 64
_YEARS = range(2, 9999)  # outside, a time zone or a second more has no date
_WORD = re.compile(r"[A-Za-z0-9_-]*")
_LOGIN = re.compile(r"[^\s/\\?#%\x00-\x1f\x7f]+")


def at(payload: object, path: str) -> object:
    """What stands at a dotted path; None where any part of it is missing."""
    for name in path.split("."):
        payload = payload.get(name) if isinstance(payload, dict) else None
    return payload


def get(payload: object, path: str, kind: type[T]) -> T:
    """Read what must be there: a text without its NULs, or an id, 1 to 2^63-1.

    Raises ValueError, naming the field.
    """
    value = at(payload, path)
    if isinstance(value, kind) and not isinstance(value, bool):
        # The parser refuses lone surrogates by itself; PostgreSQL takes no NUL in a text.
        return value.replace("\0", "") if isinstance(value, str) else _within(value, 1, _LARGEST_ID, path)
    raise ValueError(f"{path} is missing or no {kind.__name__}")


def text(payload: object, path: str) -> str:
    """What may be null or missing."""
    return "" if at(payload, path) is None else get(payload, path, str)


def number(payload: object, path: str) -> int | None:
    """An id that may be null or missing."""
    return None if at(payload, path) is None else get(payload, path, int)


def same_id(payload: object, asked: int) -> int:
    """The `id` of an answer about what was asked for by it. Raises ValueError where it is another's."""
    if get(payload, "id", int) != asked:
        raise ValueError("id is not the one that was asked for")
    return asked


def count(payload: object, path: str) -> int | None:
    """A size, a count or a line, 0 to 2^53, which may be null or missing. Raises ValueError."""
    value = at(payload, path)
    if value is None:
        return None
    if isinstance(value, int) and not isinstance(value, bool):
        return _within(value, 0, _LARGEST_COUNT, path)
    raise ValueError(f"{path} is not a whole number")


def name(payload: object, path: str) -> str:
    """Read what is short, such as a label: up to 255 characters. Raises ValueError."""
    found = get(payload, path, str)
    if len(found) > _LONGEST_NAME:
        raise ValueError(f"{path} is longer than {_LONGEST_NAME} characters")
    return found


def word(payload: object, path: str) -> str:
    """Read an id of letters and digits, which may be null or missing. Raises ValueError."""
    found = "" if at(payload, path) is None else name(payload, path)
    if not _WORD.fullmatch(found):
        raise ValueError(f"{path} is not an id: {found[:40]!r}")
    return found


def login(payload: object, path: str) -> str:
    """Read the name of an account, which may become part of an API path. Raises ValueError."""
    found = name(payload, path)
    if not _LOGIN.fullmatch(found) or found in {".", ".."}:
        raise ValueError(f"{path} is not the name of an account: {found[:40]!r}")
    return found


def time(payload: object, path: str) -> datetime:
    """A time with its zone. Raises ValueError, naming the field."""
    given = get(payload, path, str)
    try:
        # The zone's name is as GitLab's hooks have it.
        found = (
            datetime.fromisoformat(given.replace(" UTC", "+00:00")) if len(given) <= _LONGEST_TIME else None
        )
    except ValueError:
        found = None
    if found is None or found.year not in _YEARS:
        raise ValueError(f"{path} is not a time: {given[:40]!r}")
    if found.tzinfo is None:
        raise ValueError(f"{path} has no time zone: {given!r}")
    return found


@contextmanager
def answered(forge: str) -> Iterator[None]:
    """Raise a ForgeError where an answer of this forge cannot be read: asking again would not help."""
    try:
        yield
    except ValueError as error:
        raise ForgeError(f"{forge}'s answer cannot be read: {error}.") from error


def _within(value: int, least: int, most: int, path: str) -> int:
    if least <= value <= most:
        return value
    raise ValueError(f"{path} is out of range")  # without the value: it may have thousands of digits
