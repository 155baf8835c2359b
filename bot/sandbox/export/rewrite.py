"""Rewriting the agent's commits: same trees, same graph, the bot as author, harmless messages.

The same commits always get the same new ids: an export that is repeated after a
crash must not create a second history.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from bot.domain.task import Identity
from bot.git.history import Commit
from bot.text.invisible import visible
from bot.text.redaction import redact

_LONGEST = 16_000  # characters of a message
_NESTED = 8

# Forges act on these in any commit message. Their replacements have no effect.
# For a forge only ASCII letters, digits and the underscore belong to a word, after which it sees no mention.
_MENTION = re.compile(r"(?<![A-Za-z0-9_])@(?=[\w.])")
_SKIP_CI = re.compile(
    r"\[(\s*(?:skip|no)[ _-]?(?:ci|actions|pipeline|[a-z]+pipelines|travis|appveyor|build)\s*"
    r"|\s*(?:ci|actions|build|travis)[ _-]skip\s*)\]",
    re.IGNORECASE,
)
_NO_CI = re.compile(r"\*\*\*NO_CI\*\*\*|^[ \t]*skip-checks:.*$", re.IGNORECASE | re.MULTILINE)
# An agent must not claim another author for its work.
_CLAIMS = re.compile(r"^[ \t]*(?:co-authored|signed-off)-by:.*$\n?", re.IGNORECASE | re.MULTILINE)
_REFERENCE = (
    r"[\w./-]*#\d+|\bG[HL]-\d+|\[(?:issue|work_item|epic):"
    r"|https?://\S+/(?:issues|pull|merge_requests|work_items|epics)/\d+"
)
# https://docs.github.com/issues/tracking-your-work-with-issues/linking-a-pull-request-to-an-issue,
# https://docs.gitlab.com/user/project/issues/managing_issues/#default-closing-pattern and
# https://docs.gitlab.com/user/markdown/#gitlab-specific-references
_CLOSING = re.compile(
    r"\b(?:clos(?:e[sd]?|ing)|fix(?:e[sd]|ing)?|resolv(?:e[sd]?|ing)|implement(?:s|ed|ing)?)\b"
    rf":?\s+(?:issues?\s+)?(?:{_REFERENCE})",
    re.IGNORECASE,
)
_DEFUSED = (
    (re.compile(r"#(?=\d)"), "no. "),
    (re.compile(r"\b(G[HL])-(?=\d)", re.IGNORECASE), r"\1 "),
    (re.compile(r"\[(issue|work_item|epic):", re.IGNORECASE), r"[\1 "),
    (re.compile(r"\b(issues|pull|merge_requests|work_items|epics)/(?=\d)", re.IGNORECASE), r"\1 "),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """The parts of every rewritten commit. `title` replaces an empty message."""

    author: Identity
    co_author: str
    title: str
    secrets: Sequence[str] = ()  # removed from messages
    signoff: bool = False  # sign off in the name of the author, as the DCO (developercertificate.org) asks


def clean_message(text: str) -> str:
    """Remove mentions, closing keywords, CI skips and author claims from a message; it may become empty."""
    text = _SKIP_CI.sub(r"(\1)", _without_claims(visible(text)[:_LONGEST]))
    text = _MENTION.sub("@ ", text)
    if _CLOSING.search(text):
        for pattern, replacement in _DEFUSED:
            text = pattern.sub(replacement, text)
    return "\n".join(line.rstrip() for line in text.strip().split("\n"))


def _without_claims(text: str) -> str:
    """Remove claims and CI skips repeatedly: a removal may join the halves of another one."""
    for _ in range(_NESTED):
        if (shorter := _without_marks(text)) == text:
            return text
        text = shorter
    # Such deep nesting is not an accident. Without stars, a removal cannot join two halves.
    return _without_marks(text.replace("*", ""))


def _without_marks(text: str) -> str:
    return _NO_CI.sub("", _CLAIMS.sub("", text))


def body(commit: Commit, parents: Iterable[str], style: Style) -> bytes:
    """Return the content of the commit object: its tree and date, these parents, the bot as author."""
    author = f"{_name(style.author.name)} <{_name(style.author.email)}>"
    date = _date(commit.date)
    lines = [f"tree {commit.tree}", *(f"parent {parent}" for parent in parents)]
    lines += [f"author {author} {date}", f"committer {author} {date}", ""]
    messages = (clean_message(redact(visible(text), style.secrets)) for text in (commit.message, style.title))
    message = next(filter(None, messages), "Work by the agent")
    trailers = [f"Co-authored-by: {visible(style.co_author)}"] if style.co_author else []
    trailers += [f"Signed-off-by: {author}"] if style.signoff else []
    blocks = [message, "\n".join(trailers)] if trailers else [message]
    return "\n".join([*lines, "\n\n".join(blocks), ""]).encode()


def rewrite(commits: Iterable[Commit], style: Style, write: Callable[[bytes], str]) -> dict[str, str]:
    """Write each commit again, parents first; return old id -> new id. Unlisted parents keep their ids."""
    ids: dict[str, str] = {}
    for commit in commits:
        ids[commit.id] = write(body(commit, [ids.get(parent, parent) for parent in commit.parents], style))
    return ids


def _name(text: str) -> str:
    return re.sub(r"[<>\n]", "", visible(text)).strip()


def _date(date: str) -> str:
    """Return the date if a forge accepts it (32-bit seconds, a real zone), else the epoch."""
    seconds, _, zone = date.partition(" ")
    fits = re.fullmatch(r"\d{1,10}", seconds) and re.fullmatch(r"[+-](0\d|1[0-4])[0-5]\d", zone)
    return date if fits and int(seconds) < 1 << 32 else "0 +0000"
