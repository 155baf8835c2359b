"""Payloads of GitLab's webhooks, after hook_data and data_builder of its source and its documentation.

Times are written differently from the API: `2026-01-01 00:00:00 UTC`.
"""

import json
from typing import Any

from bot.playground import git
from bot.playground.calls import Call
from bot.playground.gitlab import json_shapes
from bot.playground.gitlab.calls import KINDS
from bot.playground.gitlab.json_shapes import Json
from bot.playground.state import Comment, Issue, Label, Repository, State

NOBODY_KNOWS = "[REDACTED]"  # an address that is not public


def at(time: str | None) -> str | None:
    return time and time.replace("T", " ").replace("Z", " UTC")


def user(state: State, login: str) -> Json:
    shown = json_shapes.user(state, login)
    named = {name: shown[name] for name in ("id", "name", "username", "avatar_url")}
    return {**named, "email": NOBODY_KNOWS}


def project(state: State, row: Repository) -> Json:
    shown = json_shapes.project(state, row, None)
    web, ssh = shown["web_url"], shown["ssh_url_to_repo"]
    return {
        "id": row.id, "name": row.name, "description": None, "web_url": web, "avatar_url": None,
        "git_ssh_url": ssh, "git_http_url": f"{web}.git", "namespace": row.owner,
        "visibility_level": 0 if row.private else 20, "path_with_namespace": row.path,
        "default_branch": row.default_branch, "ci_config_path": None, "homepage": web, "url": ssh,
        "ssh_url": ssh, "http_url": f"{web}.git",
    }  # fmt: skip


def labels(state: State, where: Repository, names: tuple[str, ...]) -> list[Json]:
    rows = state.all(Label, lambda row: row.repository == where.id and row.name in names)
    return [
        {
            "id": row.id, "title": row.name, "color": "#ededed", "project_id": where.id,
            "created_at": at(where.created_at), "updated_at": at(where.created_at), "template": False,
            "description": None, "type": "ProjectLabel", "group_id": None,
        }
        for row in rows
    ]  # fmt: skip


def _attributes(state: State, where: Repository, row: Issue) -> Json:
    """Return the attributes that issues and merge requests share."""
    people = [state.user(login).id for login in row.assignees]
    return {
        "id": row.id, "iid": row.iid, "author_id": state.user(row.author).id, "description": row.body,
        "title": json_shapes.title(row), "created_at": at(row.created_at), "updated_at": at(row.updated_at),
        "assignee_id": people[0] if people else None, "assignee_ids": people, "milestone_id": None,
        "last_edited_at": None, "last_edited_by_id": None, "updated_by_id": None,
        "state": json_shapes.standing(row), "state_id": _STATES[json_shapes.standing(row)],
        "discussion_locked": row.locked or None, "labels": labels(state, where, row.labels),
        "url": json_shapes.thread_url(state, where, row), "time_estimate": 0, "total_time_spent": 0,
    }  # fmt: skip


_STATES = {"opened": 1, "closed": 2, "merged": 3}


def issue(state: State, where: Repository, row: Issue) -> Json:
    return {
        **_attributes(state, where, row), "project_id": where.id, "confidential": row.confidential,
        "closed_at": at(row.closed_at), "due_date": None, "duplicated_to_id": None,
        "moved_to_id": row.moved_to or None, "relative_position": None, "weight": None,
        "health_status": None, "type": "Issue", "severity": "unknown", "customer_relations_contacts": [],
    }  # fmt: skip


def merge_request(state: State, where: Repository, row: Issue) -> Json:
    source = state.get(Repository, row.head_repository or where.id)
    return {
        **_attributes(state, where, row), "target_branch": row.base, "source_branch": row.head,
        "source_project_id": row.head_repository or where.id, "target_project_id": where.id,
        "source": project(state, source) if source else None, "target": project(state, where),
        "last_commit": _commit(state, where, row.head_sha), "draft": row.draft,
        "work_in_progress": row.draft, "merge_status": "can_be_merged",
        "detailed_merge_status": "draft_status" if row.draft else "mergeable", "merge_error": None,
        "merge_commit_sha": row.merge_sha or None, "merge_params": {}, "merge_user_id": None,
        "merge_when_pipeline_succeeds": False, "head_pipeline_id": None, "first_contribution": False,
        "blocking_discussions_resolved": True, "reviewer_ids": _ids(state, row.reviewers),
    }  # fmt: skip


def _ids(state: State, logins: tuple[str, ...]) -> list[int]:
    return [state.user(login).id for login in logins]


def _commit(state: State, where: Repository, sha: str) -> Json:
    url = f"{json_shapes.web_url(state, where)}/-/commit/{sha}"
    folder = state.git_folder(where)
    if not folder.exists():
        return {"id": sha, "url": url}
    with git.opened(folder) as repo:
        row = repo.commit(sha)
        time, message = row.committed_datetime.isoformat(), str(row.message).rstrip("\n")
    who, title = {"name": row.author.name, "email": NOBODY_KNOWS}, str(row.summary)
    return {"id": sha, "message": message, "title": title, "timestamp": time, "url": url, "author": who}


def thread(state: State, where: Repository, row: Issue) -> Json:
    return merge_request(state, where, row) if row.head else issue(state, where, row)


def of_note(call: Call, row: Issue, note: Comment, action: str) -> Json:
    state, where = call.state, call.where
    position = json.loads(note.position) if note.position else None
    attributes = {
        "id": note.id, "note": note.body, "description": note.body, "attachment": None,
        "noteable_id": row.id, "noteable_type": KINDS[json_shapes.kind(row)], "system": note.system,
        "internal": note.internal, "type": json_shapes.note_type(note), "project_id": where.id,
        "author_id": state.user(note.author).id, "discussion_id": json_shapes.discussion_id(note),
        "created_at": at(note.created_at), "updated_at": at(note.updated_at), "updated_by_id": None,
        "position": position, "original_position": position, "change_position": None,
        "line_code": None, "commit_id": None, "st_diff": None, "resolved_at": None,
        "resolved_by_id": None, "resolved_by_push": None, "action": action,
        "url": f"{json_shapes.thread_url(state, where, row)}#note_{note.id}",
    }  # fmt: skip
    hidden = note.internal or row.confidential
    shown = {key: value for key, value in thread(state, where, row).items() if key != "action"}
    return {
        "object_kind": "note", "event_type": "confidential_note" if hidden else "note",
        **_who_and_where(call, note.author), "project_id": where.id, "object_attributes": attributes,
        "merge_request" if row.head else "issue": shown,
    }  # fmt: skip


def of_thread(call: Call, row: Issue, action: str, changes: Json) -> Json:
    state, where = call.state, call.where
    kind = "merge_request" if row.head else "issue"
    shown = {
        "object_kind": kind, "event_type": f"confidential_{kind}" if row.confidential else kind,
        **_who_and_where(call, call.login), "labels": labels(state, where, row.labels), "changes": changes,
        "object_attributes": {**thread(state, where, row), "action": action},
    }  # fmt: skip
    # These lists are left out if they are empty.
    for name in ("assignees", "reviewers"):
        people = [user(state, login) for login in getattr(row, name)]
        shown |= {name: people} if people else {}
    return shown


def _who_and_where(call: Call, login: str) -> Json:
    where = project(call.state, call.where)
    old = {name: where[name] for name in ("name", "url", "description", "homepage")}
    return {"user": user(call.state, login), "project": where, "repository": old}


def changes(call: Call, before: Issue, after: Issue) -> Json:
    """Return `previous` and `current` of each changed attribute."""
    views = [_view(call, row) for row in (before, after)]
    return {
        name: {"previous": views[0][name], "current": views[1][name]}
        for name in views[0]
        if views[0][name] != views[1][name]
    }


def _view(call: Call, row: Issue) -> dict[str, Any]:
    state = call.state
    return {
        "title": json_shapes.title(row), "description": row.body, "draft": row.draft,
        "state_id": _STATES[json_shapes.standing(row)], "closed_at": at(row.closed_at),
        "confidential": row.confidential, "discussion_locked": row.locked or None,
        "labels": labels(state, call.where, row.labels), "target_branch": row.base,
        "assignees": [user(state, login) for login in row.assignees],
        "reviewers": [user(state, login) for login in row.reviewers], "updated_at": at(row.updated_at),
    }  # fmt: skip
