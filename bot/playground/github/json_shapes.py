"""Rows as GitHub's JSON, complete enough for its own OpenAPI schema.

Responses and webhooks share these shapes. Hypermedia links without a row behind them are there because
clients require the fields; nothing follows them.
"""

from typing import Any

from bot.playground.state import Comment, Issue, Label, Reaction, Repository, State, Status, User

Json = dict[str, Any]

_USER_LINKS = (
    "followers", "following{/other_user}", "gists{/gist_id}", "starred{/owner}{/repo}", "subscriptions",
    "orgs", "repos", "events{/privacy}", "received_events",
)  # fmt: skip
_REPOSITORY_LINKS = {
    "archive": "{archive_format}{/ref}", "assignees": "assignees{/user}", "blobs": "git/blobs{/sha}",
    "branches": "branches{/branch}", "collaborators": "collaborators{/collaborator}",
    "comments": "comments{/number}", "commits": "commits{/sha}", "compare": "compare/{base}...{head}",
    "contents": "contents/{+path}", "contributors": "contributors", "deployments": "deployments",
    "downloads": "downloads", "events": "events", "forks": "forks", "git_commits": "git/commits{/sha}",
    "git_refs": "git/refs{/sha}", "git_tags": "git/tags{/sha}", "hooks": "hooks",
    "issue_comment": "issues/comments{/number}", "issue_events": "issues/events{/number}",
    "issues": "issues{/number}", "keys": "keys{/key_id}", "labels": "labels{/name}",
    "languages": "languages", "merges": "merges", "milestones": "milestones{/number}",
    "notifications": "notifications{?since,all,participating}", "pulls": "pulls{/number}",
    "releases": "releases{/id}", "stargazers": "stargazers", "statuses": "statuses/{sha}",
    "subscribers": "subscribers", "subscription": "subscription", "tags": "tags", "teams": "teams",
    "trees": "git/trees{/sha}",
}  # fmt: skip


def api_url(state: State, repository: Repository) -> str:
    return f"{state.api_url}/repos/{repository.path}"


def web_url(state: State, repository: Repository) -> str:
    return f"{state.base_url}/{repository.path}"


def user(state: State, login: str) -> Json:
    row = state.user(login)
    url = f"{state.api_url}/users/{row.login}"
    links = {f"{link.partition('{')[0]}_url": f"{url}/{link}".replace("/{", "{") for link in _USER_LINKS}
    links["organizations_url"] = links.pop("orgs_url")
    return {
        "login": row.login, "id": row.id, "node_id": f"U_{row.id}",
        "avatar_url": f"{state.base_url}/avatars/{row.id}", "gravatar_id": "", "url": url,
        "html_url": f"{state.base_url}/{row.login}", **links, "type": row.type,
        "user_view_type": "public", "site_admin": False,
    }  # fmt: skip


def full_user(state: State, row: User) -> Json:
    nothing = dict.fromkeys(("name", "company", "location", "email", "hireable", "bio", "twitter_username"))
    counts = dict.fromkeys(("public_repos", "public_gists", "followers", "following"), 0)
    born = "2026-01-01T00:00:00Z"
    return {**user(state, row.login), **nothing, "blog": "", **counts, "created_at": born, "updated_at": born}


def repository(state: State, row: Repository) -> Json:
    """Return a repository, without its parent and the caller's permissions, which lists leave out."""
    url, web = api_url(state, row), web_url(state, row)
    is_open = len(state.all(Issue, lambda issue: issue.repository == row.id and issue.state == "open"))
    forks = len(state.all(Repository, lambda found: found.fork_of == row.id))
    return {
        "id": row.id, "node_id": f"R_{row.id}", "name": row.name, "full_name": row.path,
        "private": row.private, "owner": user(state, row.owner), "html_url": web, "description": None,
        "fork": bool(row.fork_of), "url": url,
        **{f"{name}_url": f"{url}/{link}".replace("/{/", "{/") for name, link in _REPOSITORY_LINKS.items()},
        "git_url": f"{web}.git".replace("http://", "git://"),
        "ssh_url": f"git@{state.base_url.partition('://')[2]}:{row.path}.git",
        "clone_url": f"{web}.git", "svn_url": web,
        **dict.fromkeys(("homepage", "language", "license", "mirror_url")),
        **dict.fromkeys(("forks", "forks_count", "network_count"), forks),
        **dict.fromkeys(("watchers", "watchers_count", "stargazers_count", "size", "subscribers_count"), 0),
        **{f"has_{name}": name == "issues" for name in _HAS}, "open_issues": is_open,
        "open_issues_count": is_open, "archived": row.archived, "disabled": False,
        "visibility": "private" if row.private else "public", "allow_forking": True,
        "is_template": False, "web_commit_signoff_required": False, "topics": [],
        "custom_properties": {}, "default_branch": row.default_branch, "created_at": row.created_at,
        "updated_at": row.pushed_at, "pushed_at": row.pushed_at,
    }  # fmt: skip


_HAS = ("issues", "projects", "wiki", "pages", "downloads", "discussions")


def permissions(may: str) -> Json:
    """Return the `permissions` of a repository for a user with the role `may`."""
    order = ("pull", "triage", "push", "maintain", "admin")
    reached = {"none": 0, "read": 1, "triage": 2, "write": 3, "maintain": 4, "admin": 5}[may]
    return {name: place < reached for place, name in enumerate(order)}


def label(state: State, where: Repository, row: Label) -> Json:
    return {
        "id": row.id, "node_id": f"LA_{row.id}", "url": f"{api_url(state, where)}/labels/{row.name}",
        "name": row.name, "color": "ededed", "default": False, "description": None,
    }  # fmt: skip


def _labels(state: State, where: Repository, row: Issue) -> list[Json]:
    rows = state.all(Label, lambda found: found.repository == where.id and found.name in row.labels)
    return [label(state, where, found) for found in rows]


def association(where: Repository, login: str) -> str:
    """Return OWNER or NONE. On GitHub the field is known to be wrong, so the bot must not read it."""
    return "OWNER" if login == where.owner else "NONE"


def reactions(state: State, url: str, subject: int) -> Json:
    names = ("+1", "-1", "laugh", "hooray", "confused", "heart", "rocket", "eyes")
    given = [row.content for row in state.all(Reaction, lambda row: row.subject == subject)]
    counts = {name: given.count(name) for name in names}
    return {"url": f"{url}/reactions", "total_count": len(given), **counts}


def issue(state: State, where: Repository, row: Issue) -> Json:
    url = f"{api_url(state, where)}/issues/{row.number}"
    web = f"{web_url(state, where)}/{'pull' if row.head else 'issues'}/{row.number}"
    shown = {
        **thread(state, where, row), "url": url, "repository_url": api_url(state, where),
        "labels_url": f"{url}/labels{{/name}}", "comments_url": f"{url}/comments",
        "events_url": f"{url}/events", "html_url": web, "timeline_url": f"{url}/timeline",
        "reactions": reactions(state, url, row.id), "draft": row.draft,
        "comments": len(comments(state, row)), "performed_via_github_app": None, "state_reason": None,
    }  # fmt: skip
    if row.head:
        pulls = f"{api_url(state, where)}/pulls/{row.number}"
        links = {"html_url": web, "diff_url": f"{web}.diff", "patch_url": f"{web}.patch"}
        shown["pull_request"] = {"url": pulls, **links, "merged_at": row.merged_at}
    return shown


def thread(state: State, where: Repository, row: Issue) -> Json:
    """Return the fields that issues and pull requests share."""
    assigned = [user(state, login) for login in row.assignees]
    return {
        "id": row.id, "node_id": f"{'PR' if row.head else 'I'}_{row.id}", "number": row.number,
        "title": row.title, "body": row.body, "user": user(state, row.author),
        "labels": _labels(state, where, row), "state": row.state, "locked": row.locked,
        "active_lock_reason": None, "assignee": assigned[0] if assigned else None, "assignees": assigned,
        "milestone": None,
        "created_at": row.created_at, "updated_at": row.updated_at, "closed_at": row.closed_at,
        "author_association": association(where, row.author),
    }  # fmt: skip


def comments(state: State, row: Issue) -> list[Comment]:
    """Return the comments that GitHub knows, without GitLab's system, internal and diff notes."""
    wanted = (row.repository, row.number, True)
    return state.all(Comment, lambda found: (found.repository, found.number, found.plain) == wanted)


def comment(state: State, where: Repository, row: Comment) -> Json:
    url = f"{api_url(state, where)}/issues/comments/{row.id}"
    thread = state.first(Issue, lambda found: (found.repository, found.number) == (where.id, row.number))
    page = "pull" if thread and thread.head else "issues"
    return {
        "id": row.id, "node_id": f"IC_{row.id}", "url": url,
        "html_url": f"{web_url(state, where)}/{page}/{row.number}#issuecomment-{row.id}",
        "issue_url": f"{api_url(state, where)}/issues/{row.number}", "user": user(state, row.author),
        "body": row.body, "created_at": row.created_at, "updated_at": row.updated_at,
        "author_association": association(where, row.author),
        "reactions": reactions(state, url, row.id), "performed_via_github_app": None,
    }  # fmt: skip


def reaction(state: State, row: Reaction) -> Json:
    return {
        "id": row.id,
        "node_id": f"REA_{row.id}",
        "user": user(state, row.author),
        "content": row.content,
        "created_at": row.created_at,
    }


def status(state: State, where: Repository, row: Status) -> Json:
    who = user(state, row.author)
    return {
        "url": f"{api_url(state, where)}/statuses/{row.sha}", "avatar_url": who["avatar_url"],
        "id": row.id, "node_id": f"SC_{row.id}", "state": row.state, "description": row.description,
        "target_url": row.target_url, "context": row.context, "created_at": row.created_at,
        "updated_at": row.created_at, "creator": who,
    }  # fmt: skip
