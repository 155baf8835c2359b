"""Addresses of repositories: built from the forge's own address and the full name, never from a payload.

Whoever knows a webhook secret can sign any payload. An address in it would choose
what the host fetches, and where the token and the agent's work go.
"""

import re
import unicodedata
from urllib.parse import unquote

from bot.domain.errors import NotUnderstood
from bot.domain.repository_url import canonical
from bot.forges.payload import at, get

_PLAIN = re.compile(r"[A-Za-z0-9._-]+")
_LONGEST_PART = 255  # characters
_DEEPEST = 21  # parts: GitLab nests groups 20 deep


def full_name(payload: object, field: str, *, nested: bool = False) -> str:
    """Read owner/name; where names are `nested`, as GitLab's are, group/.../name in any script.

    Raises ValueError, naming the field, on what could mean anything else in a URL.
    """
    found = get(payload, field, str)
    parts = found.split("/")
    allowed = all(_is_part(part, nested=nested) for part in parts)
    # A NUL was left out on reading: what is left is not what was sent.
    if found != at(payload, field) or not allowed or not 2 <= len(parts) <= (_DEEPEST if nested else 2):
        raise ValueError(f"{field} is not the full name of a repository: {found[:80]!r}")
    return found


def web_address(url: str, api: str) -> str:
    """The canonical address below which a forge has its repositories, from `url` without the folder `api`.

    Raises NotUnderstood.
    """
    return canonical(f"{url}/x").removesuffix("/x").removesuffix(api)


def is_below(web: str, url: str) -> bool:
    """Is `url` a repository of the forge at `web`, whichever way its parts are written?"""
    try:
        found = canonical(url)
    except NotUnderstood:
        return False
    # An HTTP library may decode an escaped `..` and climb out of the forge's folder.
    return found.startswith(f"{web}/") and not {".", ".."} & set(unquote(found).split("/"))


def _is_part(part: str, *, nested: bool) -> bool:
    """Git leaves out a `.git` at the end, and GitLab's own pages begin with `-`."""
    if part in {"", ".", ".."} or part.lower().endswith(".git") or len(part) > _LONGEST_PART:
        return False
    if not nested:
        return _PLAIN.fullmatch(part) is not None
    return part != "-" and all(_is_letter(character) for character in part)


def _is_letter(character: str) -> bool:
    return character in "._-" or unicodedata.category(character)[0] in "LMN"
