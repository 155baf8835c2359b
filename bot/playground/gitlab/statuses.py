"""Commit statuses, which are jobs in GitLab: they move from state to state.

As in its create_commit_status service, a status of the same name, ref and user is moved while it is pending
or running; after its end, a new one is created. An impossible transition, such as to pending twice, is
refused, and then the call changes nothing.
"""

from dataclasses import replace
from typing import Any

from bot.playground import git
from bot.playground.calls import Answer, Call
from bot.playground.gitlab import json_shapes
from bot.playground.gitlab.calls import SHORT_LIMIT, Refused, not_found, page, text, truth
from bot.playground.gitlab.job_rows import Job
from bot.playground.state import now

_ALIVE = ("pending", "running")
# The event that leads to each state, and the states it cannot start from.
_EVENTS: dict[str, tuple[str, tuple[str, ...]]] = {
    "pending": ("enqueue", ("pending", "running")),
    "running": ("run", ("running",)),
    "success": ("success", ()),
    "failed": ("drop", ()),
    "canceled": ("cancel", ()),
}


def set_status(call: Call) -> Answer:
    sha = _sha(call)
    state, ref = text(call, "state"), text(call, "ref", "") or _ref(call, sha)
    if state not in _EVENTS:
        raise Refused(400, "state does not have a valid value", key="error")
    name = call.field("name") or call.field("context") or "default"
    mine = (call.where.id, sha, ref, name, call.login)
    found = call.state.all(
        Job,
        lambda row: (row.repository, row.sha, row.ref, row.name, row.author) == mine and row.state in _ALIVE,
    )
    row = found[-1] if found else Job(
        id=call.state.new_id(), repository=call.where.id, sha=sha, ref=ref, state="created", name=name,
        description=None, target_url=None, author=call.login, created_at=now(),
    )  # fmt: skip
    _move(row, state)
    return Answer(
        json_shapes.status(call.state, call.state.put(replace(row, state=state, **_texts(call)))), 201
    )


def _move(row: Job, state: str) -> None:
    event, impossible = _EVENTS[state]
    if row.state in impossible:
        reason = f'Status cannot transition via "{event}"'
        raise Refused(400, f"Cannot transition status via :{event} from :{row.state} (Reason(s): {reason})")


def _texts(call: Call) -> dict[str, Any]:
    """Return the given texts. The others stay as they are."""
    given = {name: call.field(name) for name in ("target_url", "description") if call.field(name)}
    for name, value in given.items():
        if len(value) > SHORT_LIMIT:
            raise Refused(400, {name: [f"is too long (maximum is {SHORT_LIMIT} characters)"]})
    if not str(given.get("target_url", "http://")).startswith(("http://", "https://")):
        raise Refused(400, {"target_url": ["is blocked: Only allowed schemes are http, https"]})
    return given


def _sha(call: Call) -> str:
    """Return the id of a commit, given by branch, id or part of an id."""
    folder, name = call.state.git_folder(call.where), call.path["sha"]
    found = git.branch(folder, name) or (folder.exists() and git.commit_id(folder, name))
    if not found:
        raise not_found("Commit")
    return found


def _ref(call: Call, sha: str) -> str:
    """Return the first branch that contains the commit."""
    with git.opened(call.state.git_folder(call.where)) as repo:
        asked = ("--format=%(refname:lstrip=2)", "--contains", sha, "refs/heads")
        names = str(repo.git.for_each_ref(*asked)).splitlines()
    if not names:
        raise not_found("References for commit")
    return names[0]


def every(call: Call) -> Answer:
    """List the last status of each name and ref; with `all`, earlier ones too."""
    sha = _sha(call)
    rows = call.state.all(Job, lambda row: (row.repository, row.sha) == (call.where.id, sha))
    rows = [row for row in rows if call.query.get("name", row.name) == row.name]
    rows = [row for row in rows if call.query.get("ref", row.ref) == row.ref]
    if not truth(call.query.get("all")):
        rows = list({(row.name, row.ref): row for row in rows}.values())
    return page(call, rows, lambda row: json_shapes.status(call.state, row))
