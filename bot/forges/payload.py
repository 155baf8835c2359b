"""Readers of single fields in a webhook body or an API response.

Forges do not follow their own schemas, so a payload is never validated as a whole. The needed fields must
be valid, and the others may be anything. Every reader limits its value to the range that the ledger
accepts. `get` removes NULs from texts; a text that becomes a part of a path, a URL or a time must have none.
No error quotes a value, because errors are logged, and people wrote the values.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TypeVar

from bot.domain.errors import ForgeError, ForgeUnrecognized

T = TypeVar("T", int, str)

_LARGEST_ID = 2**63 - 1
_LARGEST_COUNT = 2**53
# Names become part of keys, and PostgreSQL accepts at most 2,700 bytes in an index.
_LONGEST_NAME = 255  # characters
_LONGEST_TIME = 64
_TYPES: dict[type, str] = {int: "a whole number", str: "a text"}
_MISSING = {404, 410}
_YEARS = range(2, 9999)  # beyond, adding a time zone or a second would overflow
_WORD = re.compile(r"[A-Za-z0-9_-]*")
_LOGIN = re.compile(r"[^\s/\\?#%\x00-\x1f\x7f]+")


def at(payload: object, path: str) -> object:
    """Return the value at a dotted path; None if any part of the path is missing."""
    for name in path.split("."):
        payload = payload.get(name) if isinstance(payload, dict) else None
    return payload


def get(payload: object, path: str, kind: type[T]) -> T:
    """Read a required field: a text, from which NULs are removed, or an id, 1 to 2^63-1.

    Raises ValueError with the field's name.
    """
    value = at(payload, path)
    if isinstance(value, kind) and not isinstance(value, bool):
        # The JSON parser refuses lone surrogates; PostgreSQL accepts no NUL in a text.
        return value.replace("\0", "") if isinstance(value, str) else _within(value, 1, _LARGEST_ID, path)
    raise ValueError(f"{path} is missing or not {_TYPES[kind]}")


def text(payload: object, path: str) -> str:
    """Read a text; "" if it is null or missing."""
    return "" if at(payload, path) is None else get(payload, path, str)


def number(payload: object, path: str) -> int | None:
    """Read an id; None if it is null or missing."""
    return None if at(payload, path) is None else get(payload, path, int)


def listed(payload: object, path: str = "") -> list[object]:
    """Read a list, "" = the payload itself. Its rows may be anything. Raises ValueError."""
    value = at(payload, path) if path else payload
    if isinstance(value, list):
        return value
    raise ValueError(f"{path} is missing or not a list" if path else "it is not a list")


def same_id(payload: object, asked: int) -> int:
    """Read the `id` of a response to a request for the id `asked`. Raises ValueError if it differs."""
    if get(payload, "id", int) != asked:
        raise ValueError("id is not the requested one")
    return asked


def may_be_true(payload: object, path: str) -> bool:
    """Read a truth value that protects something: in doubt it is true, but a null or missing one is false."""
    return at(payload, path) not in (None, False)


def count(payload: object, path: str) -> int | None:
    """Read a size, a count or a line number, 0 to 2^53; None if it is null or missing. Raises ValueError."""
    value = at(payload, path)
    if value is None:
        return None
    if isinstance(value, int) and not isinstance(value, bool):
        return _within(value, 0, _LARGEST_COUNT, path)
    raise ValueError(f"{path} is not a whole number")


def name(payload: object, path: str) -> str:
    """Read a short text, such as a label: up to 255 characters. Raises ValueError."""
    value = get(payload, path, str)
    if len(value) > _LONGEST_NAME:
        raise ValueError(f"{path} is longer than {_LONGEST_NAME} characters")
    return value


def word(payload: object, path: str) -> str:
    """Read an id of letters, digits, `-` and `_`; "" if it is null or missing. Raises ValueError."""
    value = "" if at(payload, path) is None else name(payload, path)
    if not _WORD.fullmatch(value) or value != (at(payload, path) or ""):
        raise ValueError(f"{path} is not an id")
    return value


def login(payload: object, path: str) -> str:
    """Read the name of an account, which may become part of an API path. Raises ValueError."""
    value = name(payload, path)
    if not _LOGIN.fullmatch(value) or value in {".", ".."} or value != at(payload, path):
        raise ValueError(f"{path} is not the name of an account")
    return value


def time(payload: object, path: str) -> datetime:
    """Read a time with its zone. Raises ValueError with the field's name."""
    written = get(payload, path, str)
    try:
        # GitLab's hooks write the zone as UTC.
        moment = (
            datetime.fromisoformat(written.replace(" UTC", "+00:00"))
            if len(written) <= _LONGEST_TIME and written == at(payload, path)
            else None
        )
    except ValueError:
        moment = None
    if moment is None or moment.year not in _YEARS:
        raise ValueError(f"{path} is not a time")
    if moment.tzinfo is None:
        raise ValueError(f"{path} has no time zone")
    return moment


def written_time(payload: object, path: str) -> str:
    """Read a time with its zone, as it is written; "" if it is null or missing. Raises ValueError."""
    if at(payload, path) is None:
        return ""
    time(payload, path)
    return text(payload, path)


@contextmanager
def answered(forge: str) -> Iterator[None]:
    """Raise ForgeError instead of ValueError in the block: the forge's response cannot be read.

    Repeating the request would not help.
    """
    try:
        yield
    except ValueError as error:
        raise ForgeError(f"{forge}'s response cannot be read: {error}.") from error


def require_reason(forge: str, status: int, data: object, *fields: str) -> None:
    """Check that a response with this status comes from the forge's API. Raises ForgeUnrecognized.

    The API sends a reason with each 404 and 410, in one of these fields. A 404 without it comes from a proxy
    whose forge restarts, or from a server without this route. It does not mean that an account or a thread
    does not exist.
    """
    if status in _MISSING and all(at(data, field) is None for field in fields):
        raise ForgeUnrecognized(
            f"The response does not come from {forge}'s API ({status} without its reason). If this goes on, "
            f"check [{forge.lower()}] url."
        )


def _within(value: int, least: int, most: int, path: str) -> int:
    if least <= value <= most:
        return value
    raise ValueError(f"{path} is out of range")  # without the value, which may have thousands of digits
