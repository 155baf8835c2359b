"""Pull requests, commit statuses, branches and refs."""

from fnmatch import fnmatchcase
from typing import Any

from bot.playground import api_issues, git, rules, shapes, shapes_git
from bot.playground.calls import Answer, Call, Route, next_iid, page
from bot.playground.rules import Refused, invalid
from bot.playground.state import Issue, Status, now, touched


def _branch(call: Call, name: Any) -> str | None:
    if not isinstance(name, str) or not name or not call.state.git_folder(call.where).exists():
        return None
    return git.commit_id(call.state.git_folder(call.where), f"refs/heads/{name}")


def _pulls(call: Call) -> list[Issue]:
    return call.state.all(Issue, lambda row: row.repository == call.where.id and bool(row.head))


def _own_branch(call: Call, head: Any) -> str:
    """`branch` or `owner:branch`; the playground has no forks."""
    if not isinstance(head, str):
        raise invalid("PullRequest", "missing_field", field="head")
    owner, colon, branch = head.rpartition(":")
    if colon and owner.lower() != call.where.owner.lower():
        raise invalid("PullRequest", "invalid", field="head")
    return branch


def open_pull(call: Call) -> Answer:
    title = rules.title(call.body, "PullRequest")
    body = rules.limited(call.field("body") or "", "PullRequest")
    head, base = _own_branch(call, call.field("head")), call.field("base")
    head_sha, base_sha = _branch(call, head), _branch(call, base)
    if head_sha is None or base_sha is None:
        raise invalid("PullRequest", "invalid", field="base" if head_sha else "head")
    if any((row.head, row.base, row.state) == (head, base, "open") for row in _pulls(call)):
        message = f"A pull request already exists for {call.where.owner}:{head}."
        raise invalid("PullRequest", "custom", message=message)
    folder = call.state.git_folder(call.where)
    if git.count(folder, base_sha, head_sha) == 0:
        raise invalid("PullRequest", "custom", message=f"No commits between {base} and {head}")
    row = Issue(
        id=call.state.new_id(), repository=call.where.id, number=api_issues.next_number(call),
        iid=next_iid(call.state, call.where, change=True), title=title,
        body=body or None, author=call.login, created_at=now(), updated_at=now(), head=head,
        head_sha=head_sha, base=base, base_sha=base_sha, draft=bool(call.field("draft")),
    )  # fmt: skip
    call.state.put(row)
    git.set_ref(folder, f"refs/pull/{row.number}/head", head_sha)
    api_issues.tell(call, row, "opened")
    return Answer(shapes_git.pull(call.state, call.where, row), 201)


def pulls(call: Call) -> Answer:
    wanted, base = call.query.get("state", "open"), call.query.get("base")
    owner, _, head = call.query.get("head", "").rpartition(":")
    # Without "owner:" GitHub ignores the filter, a trap it is worth falling into here.
    rows = [
        row
        for row in reversed(_pulls(call))
        if wanted in {row.state, "all"}
        and (not owner or (owner.lower(), head) == (call.where.owner.lower(), row.head))
        and base in {None, row.base}
    ]
    return page(call, rows, lambda row: _brief(call, row))


# A list leaves out what GitHub would have to compute.
_ONLY_SINGLE = (
    "merged", "merged_by", "mergeable", "mergeable_state", "rebaseable", "comments", "review_comments",
    "maintainer_can_modify", "commits", "additions", "deletions", "changed_files",
)  # fmt: skip


def _brief(call: Call, row: Issue) -> dict[str, Any]:
    shown = shapes_git.pull(call.state, call.where, row)
    return {name: value for name, value in shown.items() if name not in _ONLY_SINGLE}


def _pull(call: Call) -> Issue:
    row = call.issue()
    if not row.head:
        raise Refused(404, "Not Found")
    return row


def get_pull(call: Call) -> Answer:
    return Answer(shapes_git.pull(call.state, call.where, _pull(call)))


def edit_pull(call: Call) -> Answer:
    row = _pull(call)
    api_issues.edit(call)
    return Answer(shapes_git.pull(call.state, call.where, call.state.get(Issue, row.id) or row))


def _sha(call: Call, name: str) -> str:
    """The commit of a branch or (part of) an id."""
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
    rows = call.state.all(Status, lambda row: (row.sha, row.context) == (sha, fields["context"]))
    if len(rows) >= rules.STATUSES_LIMIT:
        message = "This SHA and context has reached the maximum number of statuses."
        raise invalid("Status", "custom", message=message)
    row = Status(
        id=call.state.new_id(), repository=call.where.id, sha=sha, author=call.login, created_at=now(),
        **fields,
    )  # fmt: skip
    return Answer(shapes.status(call.state, call.where, call.state.put(row)), 201)


def _statuses(call: Call) -> list[Status]:
    sha = _sha(call, call.path["sha"])
    return call.state.all(Status, lambda row: (row.repository, row.sha) == (call.where.id, sha))[::-1]


def statuses(call: Call) -> Answer:
    return page(call, _statuses(call), lambda row: shapes.status(call.state, call.where, row))


def combined_status(call: Call) -> Answer:
    """The newest status of each context, and what they come to."""
    latest: dict[str, Status] = {}
    for row in _statuses(call):
        latest.setdefault(row.context, row)
    states = {row.state for row in latest.values()}
    verdict = (
        "failure" if states & {"error", "failure"} else "success" if states == {"success"} else "pending"
    )
    sha = _sha(call, call.path["sha"])
    url = f"{shapes.api_url(call.state, call.where)}/commits/{sha}"
    shown = [shapes.status(call.state, call.where, row) for row in latest.values()]
    for one in shown:
        del one["creator"]
    return Answer({
        "state": verdict, "sha": sha, "total_count": len(shown), "statuses": shown,
        "repository": shapes.repository(call.state, call.where), "commit_url": url, "url": f"{url}/status",
    })  # fmt: skip


def get_commit(call: Call) -> Answer:
    return Answer(shapes_git.commit(call.state, call.where, _sha(call, call.path["sha"])))


def get_ref(call: Call) -> Answer:
    name = f"refs/{call.path['ref']}"
    folder = call.state.git_folder(call.where)
    sha = git.commit_id(folder, name) if folder.exists() else None
    if sha is None:
        raise Refused(404, "Not Found")
    return Answer(shapes_git.ref(call.state, call.where, name, sha))


def _protected(call: Call, name: str) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in call.where.protected)


def get_branch(call: Call) -> Answer:
    name = call.path["branch"]
    sha = _branch(call, name)
    if sha is None:
        raise Refused(404, "Branch not found")
    protected = _protected(call, name)
    return Answer(shapes_git.branch(call.state, call.where, name, sha=sha, protected=protected))


def branches(call: Call) -> Answer:
    rows = sorted(git.branches(call.state.git_folder(call.where)).items())
    url = f"{shapes.api_url(call.state, call.where)}/commits"
    return page(
        call,
        rows,
        lambda row: {
            "name": row[0],
            "commit": {"sha": row[1], "url": f"{url}/{row[1]}"},
            "protected": _protected(call, row[0]),
        },
    )


def follow_pushes(call: Call) -> None:
    """After a push: open pull requests get their branch's new head, or are closed with it."""
    for row in _pulls(call):
        if row.state != "open":
            continue
        head = _branch(call, row.head)
        if head is None:
            api_issues.tell(call, call.state.put(touched(row, state="closed", closed_at=now())), "closed")
        elif head != row.head_sha:
            git.set_ref(call.state.git_folder(call.where), f"refs/pull/{row.number}/head", head)
            more = {"before": row.head_sha, "after": head}
            api_issues.tell(call, call.state.put(touched(row, head_sha=head)), "synchronize", **more)


ROUTES = (
    Route("GET", "/pulls", "read", pulls),
    Route("POST", "/pulls", "write", open_pull),
    Route("GET", "/pulls/{number:int}", "read", get_pull),
    Route("PATCH", "/pulls/{number:int}", "read", edit_pull),
    Route("POST", "/statuses/{sha}", "write", set_status),
    Route("GET", "/statuses/{sha}", "read", statuses),  # the older address, which PyGithub uses
    Route("GET", "/commits/{sha:path}/statuses", "read", statuses),
    Route("GET", "/commits/{sha:path}/status", "read", combined_status),
    Route("GET", "/commits/{sha:path}", "read", get_commit),
    Route("GET", "/git/ref/{ref:path}", "read", get_ref),
    Route("GET", "/branches", "read", branches),
    Route("GET", "/branches/{branch:path}", "read", get_branch),
)
