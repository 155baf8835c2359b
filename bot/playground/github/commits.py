"""Commits, their statuses, branches and refs."""

from fnmatch import fnmatchcase

from bot.playground import git
from bot.playground.calls import Answer, Call
from bot.playground.github import json_shapes, pull_shapes, rules
from bot.playground.github.calls import Route, page
from bot.playground.github.rules import Refused, invalid
from bot.playground.state import Status, now


def _sha(call: Call, name: str) -> str:
    """Return the id of a commit, given by branch, id or part of an id."""
    folder = call.state.git_folder(call.where)
    found = folder.exists() and (git.commit_id(folder, f"refs/heads/{name}") or git.commit_id(folder, name))
    if not found:
        raise Refused(422, f"No commit found for SHA: {name}")
    return found


def set_status(call: Call) -> Answer:
    sha = call.path["sha"]
    if _sha(call, sha) != sha:
        raise Refused(422, f"No commit found for SHA: {sha}")
    fields = rules.status_fields(call.body)
    same = (call.where.id, sha, fields["context"])
    rows = call.state.all(Status, lambda row: (row.repository, row.sha, row.context) == same)
    if len(rows) >= rules.STATUSES_LIMIT:
        message = "This SHA and context has reached the maximum number of statuses."
        raise invalid("Status", "custom", message=message)
    row = Status(
        id=call.state.new_id(), repository=call.where.id, sha=sha, author=call.login, created_at=now(),
        **fields,
    )  # fmt: skip
    return Answer(json_shapes.status(call.state, call.where, call.state.put(row)), 201)


def _statuses(call: Call) -> list[Status]:
    sha = _sha(call, call.path["sha"])
    return call.state.all(Status, lambda row: (row.repository, row.sha) == (call.where.id, sha))[::-1]


def statuses(call: Call) -> Answer:
    return page(call, _statuses(call), lambda row: json_shapes.status(call.state, call.where, row))


def combined_status(call: Call) -> Answer:
    """Return the newest status of each context, and the verdict over all of them."""
    latest: dict[str, Status] = {}
    for row in _statuses(call):
        latest.setdefault(row.context, row)
    states = {row.state for row in latest.values()}
    verdict = (
        "failure" if states & {"error", "failure"} else "success" if states == {"success"} else "pending"
    )
    sha = _sha(call, call.path["sha"])
    url = f"{json_shapes.api_url(call.state, call.where)}/commits/{sha}"
    shown = [json_shapes.status(call.state, call.where, row) for row in latest.values()]
    for one in shown:
        del one["creator"]
    return Answer({
        "state": verdict, "sha": sha, "total_count": len(shown), "statuses": shown,
        "repository": json_shapes.repository(call.state, call.where),
        "commit_url": url, "url": f"{url}/status",
    })  # fmt: skip


def get_commit(call: Call) -> Answer:
    return Answer(pull_shapes.commit(call.state, call.where, _sha(call, call.path["sha"])))


def get_ref(call: Call) -> Answer:
    name = f"refs/{call.path['ref']}"
    folder = call.state.git_folder(call.where)
    sha = git.commit_id(folder, name) if folder.exists() else None
    if sha is None:
        raise Refused(404, "Not Found")
    return Answer(pull_shapes.ref(call.state, call.where, name, sha))


def _protected(call: Call, name: str) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in call.where.protected)


def get_branch(call: Call) -> Answer:
    name = call.path["branch"]
    folder = call.state.git_folder(call.where)
    sha = git.branch(folder, name)
    if sha is None:
        raise Refused(404, "Branch not found")
    protected = _protected(call, name)
    return Answer(pull_shapes.branch(call.state, call.where, name, sha=sha, protected=protected))


def branches(call: Call) -> Answer:
    rows = sorted(git.branches(call.state.git_folder(call.where)).items())
    url = f"{json_shapes.api_url(call.state, call.where)}/commits"
    return page(
        call,
        rows,
        lambda row: {
            "name": row[0],
            "commit": {"sha": row[1], "url": f"{url}/{row[1]}"},
            "protected": _protected(call, row[0]),
        },
    )


ROUTES = (
    Route("POST", "/statuses/{sha}", "write", set_status),
    Route("GET", "/statuses/{sha}", "read", statuses),  # the older address, which PyGithub uses
    Route("GET", "/commits/{sha:path}/statuses", "read", statuses),
    Route("GET", "/commits/{sha:path}/status", "read", combined_status),
    Route("GET", "/commits/{sha:path}", "read", get_commit),
    Route("GET", "/git/ref/{ref:path}", "read", get_ref),
    Route("GET", "/branches", "read", branches),
    Route("GET", "/branches/{branch:path}", "read", get_branch),
)
