"""Merge requests, from a branch of the project or of a fork."""

from pathlib import Path
from typing import Any

from bot.playground import diffs as lines
from bot.playground import git
from bot.playground.calls import Answer, Call, next_iid, next_number
from bot.playground.github import forks, pulls
from bot.playground.gitlab import hooks, json_shapes, payloads, threads
from bot.playground.gitlab.calls import Refused, again, forbidden, may, not_found, page, text, thread
from bot.playground.permissions import may as may_there
from bot.playground.state import Issue, Repository, now, touched


def create(call: Call) -> Answer:
    """Open a merge request from a branch of this project.

    `target_project_id` names the project that a fork merges into.
    """
    target = call.where
    if call.field("target_project_id"):
        target = _target(call, call.field("target_project_id"))
    source, wanted = call.where, text(call, "title")
    head, base = text(call, "source_branch"), text(call, "target_branch")
    if not may(call, "write"):
        raise forbidden()
    head_sha, base_sha = _commits(call, target, head, base)
    there = Call(
        state=call.state, sender=call.sender, url=call.url, path=call.path, query=call.query,
        body={**call.body, "title": wanted}, user=call.user, repository=target,
    )  # fmt: skip
    fork = source.id if source.id != target.id else 0
    _only(there, fork, head, base)
    row = Issue(
        id=call.state.new_id(), repository=target.id, number=next_number(call.state, target),
        iid=next_iid(call.state, target, change=True), title="", body=None, author=call.login,
        created_at=now(), updated_at=now(), head=head, head_sha=head_sha, base=base, base_sha=base_sha,
        head_repository=fork, head_owner=source.owner,
    )  # fmt: skip
    folder = call.state.git_folder(target)
    git.set_ref(folder, f"refs/pull/{row.number}/head", head_sha)
    git.alias(folder, f"refs/merge-requests/{row.iid}/head", f"refs/pull/{row.number}/head")
    return threads.begin(there, row)


def _target(call: Call, wanted: Any) -> Repository:
    found = call.state.get(Repository, int(wanted))
    if found is None or not may_there(call.state, found, call.user, "read"):
        raise not_found("Project")
    if found.id not in (call.where.id, call.where.fork_of):
        raise Refused(422, ["Source project is not a fork of the target project"])
    return found


def _commits(call: Call, target: Repository, head: str, base: str) -> tuple[str, str]:
    """Return the heads of both branches. Both commits are in the target's repository afterwards."""
    folder, there = call.state.git_folder(target), call.state.git_folder(call.where)
    head_sha, base_sha = git.branch(there, head), git.branch(folder, base)
    if head_sha is None or base_sha is None:
        side, name = ("Target", base) if head_sha else ("Source", head)
        raise Refused(422, [f'{side} branch "{name}" does not exist'])
    git.take(folder, there, head_sha)
    return head_sha, base_sha


def _only(call: Call, fork: int, head: str, base: str) -> None:
    """Raise Refused if another is open for the same branches. One without commits is allowed."""
    if not fork and head == base:
        raise Refused(409, ["You can't use same project/branch for source and target"])
    same = (call.where.id, fork, head, base, "open")
    found = call.state.first(
        Issue, lambda row: (row.repository, row.head_repository, row.head, row.base, row.state) == same
    )
    if found:
        raise Refused(
            409, [f"Another open merge request already exists for this source branch: !{found.iid}"]
        )


def merge(call: Call) -> Answer:
    row = _change(call)
    if not may(call, "write"):
        raise Refused(401, "401 Unauthorized")
    if row.state != "open" or row.draft:
        raise Refused(405, "405 Method Not Allowed")
    if call.field("sha", row.head_sha) != row.head_sha:
        raise Refused(409, f"SHA does not match HEAD of source branch: {row.head_sha}")
    if not merged(call, row):
        raise Refused(422, "Branch cannot be merged")
    return threads.shown_again(call, row)


def merged(call: Call, row: Issue) -> bool:
    """Merge with a merge commit and send the webhook. Return False if it conflicts."""
    folder = call.state.git_folder(call.where)
    base = git.branch(folder, row.base)
    message = f"Merge branch '{row.head}' into '{row.base}'\n\n{row.title}\n\nSee merge request !{row.iid}"
    sha = base and git.merge(folder, base, row.head_sha, message=message, login=call.login)
    if not sha:
        return False
    git.set_ref(folder, f"refs/heads/{row.base}", sha)
    ended = {"closed_at": now(), "merged_at": now(), "merged_by": call.login, "merge_sha": sha}
    threads.change(call, row, {"state": "closed", **ended})
    pulls.follow_pushes(call)
    return True


def _change(call: Call) -> Issue:
    row = thread(call)
    if not row.head:
        raise not_found()
    return row


def diffs(call: Call) -> Answer:
    """List the hunks of each changed file, without git's header lines."""
    row, folder = _change(call), call.state.git_folder(call.where)
    base = git.branch(folder, row.base) or row.base_sha
    changed = sorted(lines.changed(folder, base, row.head_sha))
    return page(call, changed, lambda path: _diff(folder, f"{base}...{row.head_sha}", path))


def _diff(folder: Path, span: str, path: str) -> dict[str, Any]:
    """Return the diff of one file. A rename is shown as one file removed and one added."""
    whole = lines.of_file(folder, path, "--no-renames", span)
    start = whole.find("\n@@ ") + 1
    head = whole[:start]
    return {
        "old_path": path, "new_path": path, "a_mode": "100644", "b_mode": "100644",
        "diff": f"{whole[start:]}\n" if start else "", "new_file": "\nnew file mode" in head,
        "renamed_file": False, "deleted_file": "\ndeleted file mode" in head, "generated_file": False,
        "collapsed": False, "too_large": False,
    }  # fmt: skip


def approvals(call: Call) -> Answer:
    return Answer(_approvals(call, _change(call)))


def _approvals(call: Call, row: Issue) -> dict[str, Any]:
    who = [{"user": json_shapes.user(call.state, login), "approved_at": None} for login in row.approvals]
    return {
        "id": row.id, "iid": row.iid, "project_id": call.where.id, "title": json_shapes.title(row),
        "state": json_shapes.standing(row), "approved": bool(who), "approvals_required": 0,
        "approvals_left": 0, "approved_by": who, "user_has_approved": call.login in row.approvals,
        "user_can_approve": may(call, "write") and call.login not in row.approvals,
    }  # fmt: skip


def approve(call: Call) -> Answer:
    row = _change(call)
    if not approved(call, row):
        raise Refused(401, "401 Unauthorized")
    return Answer(_approvals(call, again(call, row)), 201)


def unapprove(call: Call) -> Answer:
    row = _change(call)
    if not unapproved(call, row):
        raise not_found()
    return Answer(status=201)


def approved(call: Call, row: Issue) -> bool:
    """Approve an open merge request, if the caller is a developer and has not done so before."""
    if row.state != "open" or not may(call, "write") or call.login in row.approvals:
        return False
    _approved_by(call, row, (*row.approvals, call.login), "approved")
    return True


def unapproved(call: Call, row: Issue) -> bool:
    if call.login not in row.approvals:
        return False
    _approved_by(call, row, tuple(who for who in row.approvals if who != call.login), "unapproved")
    return True


def _approved_by(call: Call, row: Issue, logins: tuple[str, ...], action: str) -> None:
    after = call.state.put(touched(row, approvals=logins))
    threads.add_system_note(call, after, f"{action} this merge request")
    hooks.send_thread(call, after, action, payloads.changes(call, row, after))


def fork(call: Call) -> Answer:
    """Fork the project under the caller's name."""
    state, mine = call.state, (call.where.id, call.login)
    if state.first(Repository, lambda row: (row.fork_of, row.owner) == mine):
        raise Refused(409, {"path": ["has already been taken"], "name": ["has already been taken"]})
    forks.fork(call)
    made = state.first(Repository, lambda row: (row.fork_of, row.owner) == mine)
    assert made is not None
    return Answer(json_shapes.project(state, made, call.user), 201)
