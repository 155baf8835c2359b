"""Pull requests, from a branch of the repository or of a fork."""

from dataclasses import replace
from typing import Any

from bot.playground import git, permissions
from bot.playground.calls import Answer, Call, next_iid, next_number
from bot.playground.github import issues, pull_shapes, rules
from bot.playground.github.calls import Route, page, thread
from bot.playground.github.rules import Refused, invalid
from bot.playground.state import Issue, Repository, now, touched


def _pulls(call: Call) -> list[Issue]:
    return call.state.all(Issue, lambda row: row.repository == call.where.id and bool(row.head))


def _source(call: Call, head: Any) -> tuple[Repository, str]:
    """Return repository and branch for `branch` or `owner:branch`."""
    if not isinstance(head, str):
        raise invalid("PullRequest", "missing_field", field="head")
    owner, colon, branch = head.rpartition(":")
    if not colon or owner.lower() == call.where.owner.lower():
        return call.where, branch
    wanted = (call.where.id, owner.lower())
    fork = call.state.first(Repository, lambda row: (row.fork_of, row.owner.lower()) == wanted)
    if fork is None:
        raise invalid("PullRequest", "invalid", field="head")
    return fork, branch


def _commits(call: Call, source: Repository, head: str, base: Any) -> tuple[str, str]:
    """Return the heads of both branches. Both commits are in the repository afterwards."""
    folder, there = call.state.git_folder(call.where), call.state.git_folder(source)
    head_sha = git.branch(there, head)
    base_sha = git.branch(folder, base) if isinstance(base, str) else None
    if head_sha is None or base_sha is None:
        raise invalid("PullRequest", "invalid", field="base" if head_sha else "head")
    git.take(folder, there, head_sha)
    return head_sha, base_sha


def open_pull(call: Call) -> Answer:
    title = rules.title(call.body, "PullRequest")
    body = rules.limited(call.field("body") or "", "PullRequest")
    source, head = _source(call, call.field("head"))
    if not permissions.may(call.state, source, call.user, "write"):
        raise Refused(403, "Must have write access to the repository.")
    fork, base = source.id if source.id != call.where.id else 0, call.field("base")
    head_sha, base_sha = _commits(call, source, head, base)
    same = (head, fork, base, "open")
    if any((row.head, row.head_repository, row.base, row.state) == same for row in _pulls(call)):
        message = f"A pull request already exists for {source.owner}:{head}."
        raise invalid("PullRequest", "custom", message=message)
    folder = call.state.git_folder(call.where)
    if git.count(folder, base_sha, head_sha) == 0:
        raise invalid("PullRequest", "custom", message=f"No commits between {base} and {head}")
    row = Issue(
        id=call.state.new_id(), repository=call.where.id, number=next_number(call.state, call.where),
        iid=next_iid(call.state, call.where, change=True), title=title, body=body or None,
        author=call.login, created_at=now(), updated_at=now(), head=head, head_sha=head_sha, base=base,
        base_sha=base_sha, draft=bool(call.field("draft")), head_repository=fork, head_owner=source.owner,
    )  # fmt: skip
    call.state.put(row)
    git.set_ref(folder, f"refs/pull/{row.number}/head", head_sha)
    git.alias(folder, f"refs/merge-requests/{row.iid}/head", f"refs/pull/{row.number}/head")
    issues.send_event(call, row, "opened")
    return Answer(pull_shapes.pull(call.state, call.where, row), 201)


def pulls(call: Call) -> Answer:
    wanted, base = call.query.get("state", "open"), call.query.get("base")
    owner, _, head = call.query.get("head", "").rpartition(":")
    # Without "owner:" GitHub ignores the filter: a trap that tests should fall into here.
    rows = [
        row
        for row in reversed(_pulls(call))
        if wanted in {row.state, "all"}
        and (
            not owner or (owner.lower(), head) == (pull_shapes.head_owner(call.where, row).lower(), row.head)
        )
        and base in {None, row.base}
    ]
    return page(call, rows, lambda row: pull_shapes.brief(call.state, call.where, row))


def found(call: Call) -> Issue:
    """Return the pull request that the path names."""
    row = thread(call)
    if not row.head:
        raise Refused(404, "Not Found")
    return row


def get_pull(call: Call) -> Answer:
    return Answer(pull_shapes.pull(call.state, call.where, found(call)))


def edit_pull(call: Call) -> Answer:
    row = found(call)
    issues.edit(call)
    return Answer(pull_shapes.pull(call.state, call.where, call.state.get(Issue, row.id) or row))


def merge(call: Call) -> Answer:
    row = found(call)
    folder = call.state.git_folder(call.where)
    base = git.branch(folder, row.base)
    if row.state != "open" or row.draft or base is None:
        raise Refused(405, "Pull Request is not mergeable")
    if call.field("sha", row.head_sha) != row.head_sha:
        raise Refused(409, "Head branch was modified. Review and try the merge again.")
    if call.field("merge_method", "merge") != "merge":
        raise Refused(405, "Only merge commits are allowed on this repository.")
    owner = pull_shapes.head_owner(call.where, row)
    message = f"Merge pull request #{row.number} from {owner}/{row.head}\n\n{row.title}"
    sha = git.merge(folder, base, row.head_sha, message=message, login=call.login)
    if sha is None:
        raise Refused(405, "Pull Request is not mergeable")
    git.set_ref(folder, f"refs/heads/{row.base}", sha)
    ended = {"closed_at": now(), "merged_at": now(), "merged_by": call.login, "merge_sha": sha}
    issues.send_event(call, call.state.put(touched(row, state="closed", **ended)), "closed")
    follow_pushes(call)
    return Answer({"sha": sha, "merged": True, "message": "Pull Request successfully merged"})


def follow_pushes(call: Call) -> None:
    """Update open pull requests after a push: set the new head, or close them if the branch is gone.

    This includes pull requests of other repositories from a branch of this one. If this repository is gone,
    they are closed.
    """
    source = call.state.get(Repository, call.where.id)
    for row in call.state.all(Issue, lambda row: row.state == "open" and bool(row.head)):
        where = call.state.get(Repository, row.repository)
        if where and (row.head_repository or row.repository) == call.where.id:
            _follow(replace(call, repository=where), row, source)


def _follow(call: Call, row: Issue, source: Repository | None) -> None:
    folder = call.state.git_folder(call.where)
    head = git.branch(call.state.git_folder(source), row.head) if source else None
    if source is None or head is None:
        issues.send_event(call, call.state.put(touched(row, state="closed", closed_at=now())), "closed")
    elif head != row.head_sha:
        git.take(folder, call.state.git_folder(source), head)
        git.set_ref(folder, f"refs/pull/{row.number}/head", head)
        more = {"before": row.head_sha, "after": head}
        issues.send_event(call, call.state.put(touched(row, head_sha=head)), "synchronize", **more)


ROUTES = (
    Route("GET", "/pulls", "read", pulls),
    Route("POST", "/pulls", "read", open_pull),
    Route("GET", "/pulls/{number:int}", "read", get_pull),
    Route("PATCH", "/pulls/{number:int}", "read", edit_pull),
    Route("PUT", "/pulls/{number:int}/merge", "write", merge),
)
