"""GitLab's quick actions: lines of a note that run with its author's rights and are removed from it.

As in GitLab's extractor, a known word counts at the very start of a line, outside of code, quotes and HTML
blocks. An agent's text that looks like one is the trap that this module sets.
"""

import re
from collections.abc import Callable
from typing import Any

from bot.playground.calls import Call
from bot.playground.gitlab import merge_requests, threads
from bot.playground.gitlab.calls import again, may
from bot.playground.state import Issue, User, now

# Known to GitLab, so never text. Here they have no effect.
_IDLE = (
    "add_contacts", "award", "blocked_by", "blocks", "cc", "clear_weight", "clone", "confidential",
    "copy_metadata", "create_merge_request", "done", "draft", "due", "duplicate", "epic", "estimate",
    "iteration", "milestone", "move", "promote", "promote_to", "react", "ready", "reassign",
    "reassign_reviewer", "rebase", "relabel", "relate", "remove_due_date", "remove_estimate",
    "remove_milestone", "remove_parent", "request_changes", "set_parent", "severity", "shrug", "spend",
    "spent", "submit_review", "subscribe", "tableflip", "target_branch", "title", "todo", "type",
    "unassign_reviewer", "unlink", "unlock", "lock", "unsubscribe", "weight", "zoom",
)  # fmt: skip


def extract(body: str) -> tuple[str, list[tuple[str, str]]]:
    """Return the note without quick actions, and each of these as a word in lower case and the rest."""
    found: list[tuple[str, str]] = []

    def taken(match: re.Match[str]) -> str:
        if match["word"] is None:
            return match[0]
        found.append((match["word"].lower(), (match["rest"] or "").strip()))
        return ""

    return _ACTIONS.sub(taken, body.replace("\r", "")).rstrip(), found


def run(call: Call, row: Issue, actions: list[tuple[str, str]]) -> tuple[dict[str, Any], list[str]]:
    """Run the actions that the author may; return the changes and a sentence for each."""
    changed: dict[str, Any] = {}
    sentences: list[str] = []
    for word, rest in actions:
        done = _DOES[word](call, again(call, row), rest) if word in _DOES else None
        if done:
            changed |= done[0]
            sentences.append(done[1])
    return changed, sentences


Done = tuple[dict[str, Any], str] | None


def _close(call: Call, row: Issue, rest: str) -> Done:
    if row.state != "open" or not (call.login == row.author or may(call, "triage")):
        return None
    threads.change(call, row, {"state": "closed", "closed_at": now()})
    return {"state_event": "close"}, f"Closed this {_kind(row)}."


def _reopen(call: Call, row: Issue, rest: str) -> Done:
    if row.state != "closed" or row.merged_at or not (call.login == row.author or may(call, "triage")):
        return None
    threads.change(call, row, {"state": "open", "closed_at": None})
    return {"state_event": "reopen"}, f"Reopened this {_kind(row)}."


def _kind(row: Issue) -> str:
    return "merge request" if row.head else "issue"


def _label(call: Call, row: Issue, rest: str) -> Done:
    names = [threads.label(call, name) for name in _names(rest)] if may(call, "triage") else []
    if not names:
        return None
    threads.change(call, row, {"labels": tuple(dict.fromkeys((*row.labels, *names)))})
    return {"add_labels": names}, f"Added {' '.join(f'~{name}' for name in names)} label(s)."


def _unlabel(call: Call, row: Issue, rest: str) -> Done:
    if not may(call, "triage"):
        return None
    gone = _names(rest) or list(row.labels)
    threads.change(call, row, {"labels": tuple(name for name in row.labels if name not in gone)})
    return {"remove_labels": gone}, f"Removed {' '.join(f'~{name}' for name in gone)} label(s)."


def _names(rest: str) -> list[str]:
    """Parse `~one ~"two words"`."""
    return [quoted or plain for quoted, plain in re.findall(r'~(?:"([^"]+)"|(\S+))', rest)]


def _assign(call: Call, row: Issue, rest: str) -> Done:
    return _people(call, row, rest, field="assignees")


def _ask_review(call: Call, row: Issue, rest: str) -> Done:
    return _people(call, row, rest, field="reviewers") if row.head else None


def _people(call: Call, row: Issue, rest: str, *, field: str) -> Done:
    named = set(re.findall(r"@([\w.-]+)", rest)) | ({call.login} if rest == "me" else set())
    users = call.state.all(User, lambda user: user.login in named)
    if not users or not may(call, "triage"):
        return None
    logins = tuple(user.login for user in users)
    threads.change(call, row, {field: logins})
    verb = "Assigned" if field == "assignees" else "Requested a review from"
    return {
        f"{field[:-1]}_ids": [user.id for user in users]
    }, f"{verb} {' '.join(f'@{who}' for who in logins)}."


def _unassign(call: Call, row: Issue, rest: str) -> Done:
    if not row.assignees or not may(call, "triage"):
        return None
    threads.change(call, row, {"assignees": ()})
    return {"assignee_ids": []}, "Removed assignees."


def _approve(call: Call, row: Issue, rest: str) -> Done:
    if not row.head or not merge_requests.approved(call, row):
        return None
    return {"approve": True}, "Approved the current merge request."


def _unapprove(call: Call, row: Issue, rest: str) -> Done:
    if not merge_requests.unapproved(call, row):
        return None
    return {"approve": False}, "Unapproved the current merge request."


def _merge(call: Call, row: Issue, rest: str) -> Done:
    if not row.head or row.state != "open" or row.draft or not may(call, "write"):
        return None
    if not merge_requests.merged(call, row):
        return None
    return {"merge": row.head_sha}, "Merged this merge request."


_DOES: dict[str, Callable[[Call, Issue, str], Done]] = {
    "approve": _approve, "unapprove": _unapprove, "close": _close, "reopen": _reopen, "merge": _merge,
    "label": _label, "labels": _label, "unlabel": _unlabel, "remove_label": _unlabel,
    "assign": _assign, "unassign": _unassign, "assign_reviewer": _ask_review, "reviewer": _ask_review,
    "request_review": _ask_review,
}  # fmt: skip

_WORDS = "|".join((*_DOES, *_IDLE))
_ACTIONS = re.compile(
    rf"""
    ^``` .+? \n```$                          # code
    | ^[^\n]*`\n* (?:(?!`).)+? \n*`$         # code in one pair of ticks, over lines
    | ^<[^>\n]+>\n .+? \n</[^>\n]+>$         # HTML
    | ^>>> .+? \n>>>$                        # a quote
    | ^/(?P<word>{_WORDS}) (?:[ ](?P<rest>[^\n]*))? (?:\s*\n|$)
    """,
    re.VERBOSE | re.MULTILINE | re.DOTALL | re.IGNORECASE,
)
