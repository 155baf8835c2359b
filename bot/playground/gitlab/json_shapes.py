"""Rows as GitLab's JSON."""

import hashlib
import json
from typing import Any

from bot.playground import git, permissions
from bot.playground.gitlab.calls import KINDS
from bot.playground.gitlab.job_rows import Job
from bot.playground.state import Comment, Issue, Label, Reaction, Repository, State, User

Json = dict[str, Any]
LEVELS = {"none": 0, "read": 10, "triage": 20, "write": 30, "maintain": 40, "admin": 50}


def at(time: str | None) -> str | None:
    """Return a time with GitLab's milliseconds."""
    return time and time.replace("Z", ".000Z")


def api_url(state: State, where: Repository) -> str:
    return f"{state.base_url}/api/v4/projects/{where.id}"


def web_url(state: State, where: Repository) -> str:
    return f"{state.base_url}/{where.path}"


def kind(row: Issue) -> str:
    return "merge_requests" if row.head else "issues"


def thread_url(state: State, where: Repository, row: Issue) -> str:
    return f"{web_url(state, where)}/-/{kind(row)}/{row.iid}"


def username(row: User) -> str:
    """Return the name. GitLab's bots are users behind project tokens, known only by their names."""
    return f"project_{row.id}_bot_{row.login}" if row.type == "Bot" else row.login


def user(state: State, login: str) -> Json:
    row = state.user(login)
    return {
        "id": row.id, "username": username(row), "public_email": "", "name": row.login.capitalize(),
        "state": "active", "locked": False, "avatar_url": f"{state.base_url}/avatars/{row.id}",
        "web_url": f"{state.base_url}/{username(row)}",
    }  # fmt: skip


def users(state: State, logins: tuple[str, ...]) -> list[Json]:
    return [user(state, login) for login in logins]


def full_user(state: State, row: User) -> Json:
    born = "2026-01-01T00:00:00.000Z"
    return {
        **user(state, row.login), "created_at": born, "bio": "", "bot": row.type == "Bot",
        "email": f"{row.login}@playground.invalid", "is_admin": False, "two_factor_enabled": False,
    }  # fmt: skip


def member(state: State, login: str, role: str) -> Json:
    return {
        **user(state, login),
        "access_level": LEVELS[role],
        "expires_at": None,
        "membership_state": "active",
    }


def project(state: State, row: Repository, who: User | None) -> Json:
    web, level = web_url(state, row), LEVELS[permissions.role(state, row, who)]
    owner = state.user(row.owner)
    parent = state.get(Repository, row.fork_of)
    forks = len(state.all(Repository, lambda found: found.fork_of == row.id))
    shown: Json = {
        "id": row.id, "description": None, "name": row.name, "path": row.name,
        "name_with_namespace": f"{row.owner} / {row.name}", "path_with_namespace": row.path,
        "created_at": at(row.created_at), "default_branch": row.default_branch, "topics": [],
        "ssh_url_to_repo": f"git@{state.base_url.partition('://')[2]}:{row.path}.git",
        "http_url_to_repo": f"{web}.git", "web_url": web, "readme_url": None, "avatar_url": None,
        "forks_count": forks, "star_count": 0, "last_activity_at": at(row.pushed_at),
        "namespace": {
            "id": owner.id, "name": owner.login, "path": owner.login, "full_path": owner.login,
            "kind": "group" if owner.type == "Organization" else "user", "parent_id": None,
        },
        "empty_repo": False, "archived": row.archived,
        "visibility": "private" if row.private else "public", "issues_enabled": True,
        "merge_requests_enabled": True, "jobs_enabled": True, "creator_id": owner.id,
        "permissions": {
            "project_access": {"access_level": level, "notification_level": 3} if level else None,
            "group_access": None,
        },
    }  # fmt: skip
    if parent:
        shown["forked_from_project"] = {"id": parent.id, "path_with_namespace": parent.path}
    return shown


def _thread(state: State, where: Repository, row: Issue) -> Json:
    """Return the fields that issues and merge requests share."""
    assignees = users(state, row.assignees)
    sign, references = "!" if row.head else "#", {"short": "", "relative": "", "full": where.path}
    return {
        "id": row.id, "iid": row.iid, "project_id": where.id, "description": row.body,
        "created_at": at(row.created_at), "updated_at": at(row.updated_at), "closed_at": at(row.closed_at),
        "closed_by": None, "labels": sorted(row.labels), "milestone": None,
        "author": user(state, row.author), "assignees": assignees,
        "assignee": assignees[0] if assignees else None, "user_notes_count": len(notes(state, row)),
        "upvotes": 0, "downvotes": 0, "discussion_locked": row.locked or None,
        "web_url": thread_url(state, where, row),
        "references": {name: f"{path}{sign}{row.iid}" for name, path in references.items()},
        "task_completion_status": {"count": 0, "completed_count": 0},
    }  # fmt: skip


def title(row: Issue) -> str:
    """Return the title. GitLab marks a draft there."""
    return f"Draft: {row.title}" if row.draft else row.title


def standing(row: Issue) -> str:
    return "merged" if row.merged_at else {"open": "opened"}.get(row.state, row.state)


def issue(state: State, where: Repository, row: Issue) -> Json:
    return {
        **_thread(state, where, row), "title": row.title, "state": standing(row), "type": "ISSUE",
        "issue_type": "issue", "due_date": None, "confidential": row.confidential,
        "moved_to_id": row.moved_to or None, "severity": "UNKNOWN", "merge_requests_count": 0,
    }  # fmt: skip


def merge_request(state: State, where: Repository, row: Issue) -> Json:
    status = "draft_status" if row.draft else "mergeable" if row.state == "open" else "not_open"
    merged_by = user(state, row.merged_by) if row.merged_by else None
    base = git.fork_point(state.git_folder(where), row.base_sha, row.head_sha)
    return {
        **_thread(state, where, row), "title": title(row), "state": standing(row),
        "merged_by": merged_by, "merge_user": merged_by, "merged_at": at(row.merged_at),
        "target_branch": row.base, "source_branch": row.head, "target_project_id": where.id,
        "source_project_id": row.head_repository or where.id, "draft": row.draft,
        "work_in_progress": row.draft, "reviewers": users(state, row.reviewers), "sha": row.head_sha,
        "merge_status": "can_be_merged", "detailed_merge_status": status, "has_conflicts": False,
        "merge_when_pipeline_succeeds": False, "merge_commit_sha": row.merge_sha or None,
        "squash_commit_sha": None, "squash": False, "should_remove_source_branch": None,
        "force_remove_source_branch": None, "blocking_discussions_resolved": True,
        "diff_refs": {"base_sha": base, "head_sha": row.head_sha, "start_sha": base},
    }  # fmt: skip


def thread(state: State, where: Repository, row: Issue) -> Json:
    return merge_request(state, where, row) if row.head else issue(state, where, row)


def notes(state: State, row: Issue) -> list[Comment]:
    wanted = (row.repository, row.number)
    return state.all(Comment, lambda found: (found.repository, found.number) == wanted)


def discussion_id(row: Comment) -> str:
    """Return the id. A note without replies is a discussion of its own."""
    return row.discussion or hashlib.sha1(f"note {row.id}".encode()).hexdigest()


def note_type(row: Comment) -> str | None:
    return "DiffNote" if row.position else "DiscussionNote" if row.discussion else None


def note(state: State, thread: Issue, row: Comment) -> Json:
    shown = {
        "id": row.id, "type": note_type(row), "body": row.body, "author": user(state, row.author),
        "created_at": at(row.created_at), "updated_at": at(row.updated_at), "system": row.system,
        "noteable_id": thread.id, "noteable_type": KINDS[kind(thread)], "noteable_iid": thread.iid,
        "project_id": row.repository, "commit_id": None, "resolvable": bool(row.discussion),
        "confidential": row.internal, "internal": row.internal, "imported": False,
        "commands_changes": {},
    }  # fmt: skip
    if row.discussion:
        shown |= {"resolved": False, "resolved_by": None, "resolved_at": None}
    if row.position:
        shown["position"] = json.loads(row.position)
    return shown


def award(state: State, row: Reaction, kind: str) -> Json:
    return {
        "id": row.id, "name": row.content, "user": user(state, row.author),
        "created_at": at(row.created_at), "updated_at": at(row.created_at),
        "awardable_id": row.subject, "awardable_type": kind, "url": None,
    }  # fmt: skip


def label(row: Label) -> Json:
    return {
        "id": row.id, "name": row.name, "color": "#ededed", "text_color": "#1F1E24", "description": None,
        "description_html": None, "priority": None, "subscribed": False, "archived": False,
        "is_project_label": True,
    }  # fmt: skip


def status(state: State, row: Job) -> Json:
    running, over = row.state != "pending", row.state not in ("pending", "running")
    return {
        "id": row.id, "sha": row.sha, "ref": row.ref, "status": row.state, "name": row.name,
        "target_url": row.target_url, "description": row.description, "created_at": at(row.created_at),
        "started_at": at(row.created_at) if running else None,
        "finished_at": at(row.created_at) if over else None, "allow_failure": False, "coverage": None,
        "author": user(state, row.author), "pipeline_id": row.repository,
    }  # fmt: skip


def discussion(state: State, thread: Issue, rows: list[Comment]) -> Json:
    return {
        "id": discussion_id(rows[0]),
        "individual_note": not rows[0].discussion,
        "notes": [note(state, thread, row) for row in rows],
    }
