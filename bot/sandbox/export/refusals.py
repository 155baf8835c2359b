"""Refusals of an export, as sentences for the requester.

The container sends a code, git's error message and a path (export.sh). The host's own
checks find some of the same problems, so all these sentences are here.
"""

import re
from collections.abc import Callable

from bot.text.invisible import visible
from bot.text.units import human

REPOSITORY = "is a repository of its own. Remove its `.git`, or add it to `.gitignore`."
_SHOWN = 200  # characters of a path in a sentence
_SPACE = re.compile(r"no space left on device", re.IGNORECASE)
_SLOW = re.compile(r"git (ls-files|update-index|check-\w+) took longer")
_ENCODING = re.compile(r"failed to encode")
_MEMORY = re.compile(r"out of memory|malloc failed|mmap failed|cannot allocate", re.IGNORECASE)


def shown(path: bytes) -> str:
    """Return a path in a form that is safe in a sentence; a long one is cut."""
    text = visible(path[: 4 * _SHOWN].decode(errors="replace")).replace("`", "'").replace("\n", " ")
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def larger_than(limit: int) -> str:
    """Return the end of a sentence on a file of more than `limit` bytes."""
    return f"is larger than {human(limit)}. Remove it, or add it to `.gitignore`."


def large(path: bytes, limit: int) -> str:
    """Refuse a file of more than `limit` bytes."""
    return f"`{shown(path)}` {larger_than(limit)}"


def many(folder: bytes, limit: int) -> str:
    """Refuse more than `limit` changed files, most of them below `folder`."""
    where = f", most of them in `{shown(folder)}`" if folder else ""
    remedy = "Remove generated files, or add them to `.gitignore`."
    return f"More than {limit:,} files are changed{where}. {remedy}"


def total(path: bytes, limit: int) -> str:
    """Refuse changed files of more than `limit` bytes together; `path` is the largest."""
    largest = f"; the largest is `{shown(path)}`" if path else ""
    return (
        f"The changed files together are larger than {human(limit)}{largest}. "
        "Remove generated files, or add them to `.gitignore`."
    )


def deep(path: bytes, limit: int) -> str:
    """Refuse a path through more than `limit` folders."""
    return f"`{shown(path)}` lies more than {limit} folders deep. Move it up, or remove it."


def closed(path: bytes) -> str:
    """Refuse a folder (its path ends in a slash) or a file that the agent's own user cannot read."""
    if path.endswith(b"/"):
        return f"The folder `{shown(path)}` cannot be opened. Run `chmod u+rx` on it."
    return f"`{shown(path)}` could not be read. Run `chmod u+r` on it and `chmod u+rx` on its folder."


def advice(stderr: str) -> str:
    """Return git's error message, with a next step if git lacks memory, space, time or an encoding."""
    message = visible(stderr).strip()
    if _SPACE.search(message):
        return f"The files need more space than an export has; remove files that are not source. ({message})"
    if _MEMORY.search(message):
        return f"git ran out of memory; remove the largest files and folders that are not source. ({message})"
    if _SLOW.search(message):
        return f"Simplify `.gitignore` and `.gitattributes`, and ignore generated files. ({message})"
    if _ENCODING.search(message):
        return f"Write the file in that encoding, or change its line in `.gitattributes`. ({message})"
    return message


_SENTENCES: dict[str, Callable[[bytes], str]] = {
    "gone": lambda _: "The workspace is gone.",
    "head": lambda _: (
        "The clone has no commit to take: its .git is damaged, or HEAD points to no commit. "
        "Check out a branch, or commit."
    ),
    "tree": lambda _: (
        "HEAD has too many files, or they cannot be listed. "
        "Run `git reset --soft HEAD~1`, then commit again without the files that are not source."
    ),
    "special": lambda path: f"`{shown(path)}` is neither a file nor a folder nor a link. Remove it.",
    "closed": closed,
    "index": lambda _: "`.git/index` cannot be read. Run `rm .git/index && git reset` to rebuild it.",
    "exclude": lambda _: (
        "`.git/info/exclude` cannot be read. Make it a file of at most 64 KiB, or use `.gitignore`."
    ),
    "name": lambda path: f"`{shown(path)}` has a name that git reserves. Rename or remove it.",
    "objects": lambda _: (
        "A commit, folder or file that the new work needs is missing in `.git/objects`, or damaged. "
        "Find it with `git fsck`, run `git reset --soft` to an earlier commit, and commit the files again."
    ),
    "room": lambda _: (
        "The workspace is too large for an export. "
        "Remove files that are not source, or add them to `.gitignore`."
    ),
    "unreadable": lambda _: "The uncommitted files could not be read.",
}


def refusal_text(answer: bytes, *, one: int, together: int, files: int, folders: int) -> str:
    """Return the sentences for a container's refusal: "<code>\\n<message>\\0<path>".

    The limits are those that the container received: bytes of one file, bytes of all changed files, number
    of changed files, folders in a path.
    """
    reason, path = [*answer.split(b"\0"), b""][:2]
    code, _, stderr = reason.decode(errors="replace").partition("\n")
    limited: dict[str, Callable[[], str]] = {
        "large": lambda: large(path, one),
        "many": lambda: many(path, files),
        "total": lambda: total(path, together),
        "deep": lambda: deep(path, folders),
    }
    if code in limited:
        return limited[code]()
    sentence = _SENTENCES.get(code, _SENTENCES["unreadable"])(path)
    return f"{sentence} {advice(stderr)}".strip()
