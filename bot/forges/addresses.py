"""Addresses of repositories, built from the forge's address and the full name, never read from a payload.

A person who knows a webhook secret can sign any payload. An address in it would decide which repository
the host fetches, and which server gets the token and the agent's work.
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
    """Read owner/name; if names are `nested`, as GitLab's are, group/.../name in any script.

    Raises ValueError, with the field's name, on a text that could have another meaning in a URL.
    """
    path = get(payload, field, str)
    parts = path.split("/")
    allowed = all(_is_part(part, nested=nested) for part in parts)
    # `get` removes NULs: then the name is not the one that was sent.
    if path != at(payload, field) or not allowed or not 2 <= len(parts) <= (_DEEPEST if nested else 2):
        raise ValueError(f"{field} is not the full name of a repository")
    return path


def web_address(url: str, api: str) -> str:
    """Return the canonical address below which a forge has its repositories: `url` without the folder `api`.

    Raises NotUnderstood.
    """
    return canonical(f"{url}/x").removesuffix("/x").removesuffix(api)


def is_below(web: str, url: str) -> bool:
    """Report whether `url` is a repository of the forge at `web`, in any spelling."""
    try:
        address = canonical(url)
    except NotUnderstood:
        return False
    # An HTTP library may decode an escaped `..` and so leave the forge's folder.
    return address.startswith(f"{web}/") and not {".", ".."} & set(unquote(address).split("/"))


def _is_part(part: str, *, nested: bool) -> bool:
    """Report whether this may be a part of a full name."""
    # Git ignores a `.git` at the end.
    if part in {"", ".", ".."} or part.lower().endswith(".git") or len(part) > _LONGEST_PART:
        return False
    if not nested:
        return _PLAIN.fullmatch(part) is not None
    # Paths of GitLab's own pages have a part `-`.
    return part != "-" and all(_is_letter(character) for character in part)


def _is_letter(character: str) -> bool:
    return character in "._-" or unicodedata.category(character)[0] in "LMN"
