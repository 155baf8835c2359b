"""The agent's commits made the bot's: same trees, same shape, our name, harmless words.

The same commits always become the same ids: an export that is repeated after a
crash must not make a second history.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from bot.domain.task import Identity
from bot.git.history import Commit
from bot.text.redaction import redact
from bot.text.sanitize import visible

_LONGEST = 16_000  # characters of a message
_NESTED = 8

# Forges act on these wherever the commit lands. What takes their place acts on nothing.
# To a forge only ASCII letters, digits and the underscore are part of a word, which a mention cannot follow.
_MENTION = re.compile(r"(?<![A-Za-z0-9_])@(?=[\w.])")
_SKIP_CI = re.compile(
    r"\[(\s*(?:skip|no)[ _-]?(?:ci|actions|pipeline|[a-z]+pipelines|travis|appveyor|build)\s*"
    r"|\s*(?:ci|actions|build|travis)[ _-]skip\s*)\]",
    re.IGNORECASE,
)
_NO_CI = re.compile(r"\*\*\*NO_CI\*\*\*|^[ \t]*skip-checks:.*$", re.IGNORECASE | re.MULTILINE)
# Whose work it is, is the forge's to know, not the agent's to claim.
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
    """What every rewritten commit gets. `title` stands in for a message that says nothing."""

    author: Identity
    co_author: str
    title: str
    secrets: Sequence[str] = ()  # in no message


def clean_message(text: str) -> str:
    """A commit message that pings, closes, skips and claims nothing; may be empty."""
    text = _SKIP_CI.sub(r"(\1)", _without_claims(visible(text)[:_LONGEST]))
    text = _MENTION.sub("@ ", text)
    if _CLOSING.search(text):
        for pattern, words in _DEFUSED:
            text = pattern.sub(words, text)
    return "\n".join(line.rstrip() for line in text.strip().split("\n"))


def _without_claims(text: str) -> str:
    """What is taken out may have stood between the halves of what is to be taken out, too."""
    for _ in range(_NESTED):
        if (less := _taken_out(text)) == text:
            return text
        text = less
    # Nobody nests it so deeply by accident. Without stars nothing that is taken out leaves two halves.
    return _taken_out(text.replace("*", ""))


def _taken_out(text: str) -> str:
    return _NO_CI.sub("", _CLAIMS.sub("", text))


def body(commit: Commit, parents: Iterable[str], style: Style) -> bytes:
    """The commit object's content: this tree, these parents, the bot's name, the author's date."""
    who = f"{_name(style.author.name)} <{_name(style.author.email)}> {_date(commit.date)}"
    lines = [f"tree {commit.tree}", *(f"parent {parent}" for parent in parents)]
    lines += [f"author {who}", f"committer {who}", ""]
    said = (clean_message(redact(visible(text), style.secrets)) for text in (commit.message, style.title))
    message = next(filter(None, said), "Work by the agent")
    if style.co_author:
        message += f"\n\nCo-authored-by: {visible(style.co_author)}"
    return "\n".join([*lines, message, ""]).encode()


def rewrite(commits: Iterable[Commit], style: Style, write: Callable[[bytes], str]) -> dict[str, str]:
    """Write each commit anew, parents first; return old id -> new id. Other parents stay as they are."""
    ids: dict[str, str] = {}
    for commit in commits:
        ids[commit.id] = write(body(commit, [ids.get(parent, parent) for parent in commit.parents], style))
    return ids


def _name(text: str) -> str:
    return re.sub(r"[<>\n]", "", visible(text)).strip()


def _date(date: str) -> str:
    """The date as it was if a forge will take it: seconds that fit, and a zone of this world."""
    seconds, _, zone = date.partition(" ")
    fits = re.fullmatch(r"\d{1,10}", seconds) and re.fullmatch(r"[+-](0\d|1[0-4])[0-5]\d", zone)
    return date if fits and int(seconds) < 1 << 32 else "0 +0000"
