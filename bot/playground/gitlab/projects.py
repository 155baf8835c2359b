"""Users, and the project itself: its members, labels and branches."""

from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any

from bot.playground import git, permissions
from bot.playground.calls import Answer, Call
from bot.playground.gitlab import json_shapes
from bot.playground.gitlab.calls import Refused, forbidden, member, missing, not_found, page, text
from bot.playground.state import Collaborator, Label, Repository, User

_ROLES = {level: role for role, level in json_shapes.LEVELS.items() if level}


def me(call: Call) -> Answer:
    return Answer(json_shapes.full_user(call.state, call.state.user(call.login)))


def users(call: Call) -> Answer:
    """List users. `username` also finds a bot by the playground's own name, which GitLab does not have."""
    name = call.query.get("username", "").lower()
    rows = [
        row
        for row in call.state.all(User, lambda row: row.type != "Organization")
        if name in {"", row.login.lower(), json_shapes.username(row)}
    ]
    return page(call, rows, lambda row: json_shapes.user(call.state, row.login))


def get_user(call: Call) -> Answer:
    return Answer(json_shapes.full_user(call.state, _user(call, call.path["user"], "User")))


def _user(call: Call, user_id: Any, what: str = "") -> User:
    found = call.state.get(User, int(user_id))
    if found is None:
        raise not_found(what)
    return found


def get(call: Call) -> Answer:
    """Return the present row, including what this call has changed."""
    where = call.state.get(Repository, call.where.id) or call.where
    return Answer(json_shapes.project(call.state, where, call.user))


def edit(call: Call) -> Answer:
    """Change `path` and `visibility`."""
    where, path = call.where, call.field("path") or call.where.name
    if path != where.name:
        if call.state.first(Repository, lambda row: row.path == f"{where.owner}/{path}"):
            raise Refused(400, {"path": ["has already been taken"]})
        where = replace(where, name=path, earlier_paths=(*where.earlier_paths, where.path))
    private = call.field("visibility", "private" if where.private else "public") == "private"
    call.state.put(replace(where, private=private))
    return get(call)


def archive(call: Call) -> Answer:
    call.state.put(replace(call.where, archived=True))
    return Answer(get(call).body, 201)


def unarchive(call: Call) -> Answer:
    call.state.put(replace(call.where, archived=False))
    return Answer(get(call).body, 201)


def get_member(call: Call) -> Answer:
    who = _user(call, call.path["user"])
    if not member(call.state, call.where, who):
        raise not_found()
    return Answer(json_shapes.member(call.state, who.login, permissions.role(call.state, call.where, who)))


def add_member(call: Call) -> Answer:
    who = _user(call, call.field("user_id", 0))
    if member(call.state, call.where, who):
        raise Refused(409, "Member already exists")
    return Answer(_join(call, who), 201)


def edit_member(call: Call) -> Answer:
    who = _user(call, call.path["user"])
    if not member(call.state, call.where, who):
        raise not_found()
    return Answer(_join(call, who))


def _join(call: Call, who: User) -> json_shapes.Json:
    role = _ROLES.get(call.field("access_level"))
    if role is None:
        raise Refused(400, "access_level does not have a valid value", key="error")
    _drop(call, who)
    call.state.put(Collaborator(id=call.state.new_id(), repository=call.where.id, login=who.login, role=role))
    return json_shapes.member(call.state, who.login, role)


def remove_member(call: Call) -> Answer:
    who = _user(call, call.path["user"])
    if not member(call.state, call.where, who):
        raise not_found()
    _drop(call, who)
    return Answer(status=204)


def _drop(call: Call, who: User) -> None:
    for row in call.state.all(Collaborator):
        if (row.repository, row.login) == (call.where.id, who.login):
            call.state.drop(row)


def labels(call: Call) -> Answer:
    return page(call, call.state.all(Label, lambda row: row.repository == call.where.id), json_shapes.label)


def add_label(call: Call) -> Answer:
    wanted = (call.where.id, text(call, "name"))
    if call.state.first(Label, lambda row: (row.repository, row.name) == wanted):
        raise Refused(409, "Label already exists")
    made = Label(id=call.state.new_id(), repository=call.where.id, name=wanted[1])
    return Answer(json_shapes.label(call.state.put(made)), 201)


def get_branch(call: Call) -> Answer:
    name = call.path["branch"]
    sha = git.branch(call.state.git_folder(call.where), name)
    if sha is None:
        raise not_found("Branch")
    web = json_shapes.web_url(call.state, call.where)
    commit = {"id": sha, "short_id": sha[:8], "web_url": f"{web}/-/commit/{sha}"}
    return Answer({
        "name": name, "commit": commit, "merged": False, "default": name == call.where.default_branch,
        "protected": any(fnmatchcase(name, pattern) for pattern in call.where.protected),
        "developers_can_push": False, "developers_can_merge": False, "can_push": True,
        "web_url": f"{web}/-/tree/{name}",
    })  # fmt: skip


def compare(call: Call) -> Answer:
    """List the commits of `to` that are not in `from`, oldest first, without diffs."""
    folder, ends = call.state.git_folder(call.where), []
    for name in ("from", "to"):
        if not call.query.get(name):
            raise missing(name)
        ends.append(git.branch(folder, call.query[name]))
    base, head = ends
    if base is None or head is None:
        raise not_found("Ref")
    with git.opened(folder) as repo:
        ids = repo.git.rev_list("--reverse", f"{base}..{head}").split()
    commits = [{"id": sha, "short_id": sha[:8]} for sha in ids]
    return Answer({
        "commit": commits[-1] if commits else None, "commits": commits, "diffs": [],
        "compare_timeout": False, "compare_same_ref": base == head,
        "web_url": f"{json_shapes.web_url(call.state, call.where)}/-/compare/{base}...{head}",
    })  # fmt: skip


def protect(call: Call) -> Answer:
    """Refuse all pushes to a branch, by maintainers too."""
    name = text(call, "name")
    if name in call.where.protected:
        raise Refused(409, f"Protected branch '{name}' already exists")
    _protect(call, (*call.where.protected, name))
    return Answer(
        {"id": call.state.new_id(), "name": name, "push_access_levels": [], "allow_force_push": False}, 201
    )


def unprotect(call: Call) -> Answer:
    name = call.path["branch"]
    if name not in call.where.protected:
        raise not_found()
    _protect(call, tuple(found for found in call.where.protected if found != name))
    return Answer(status=204)


def _protect(call: Call, patterns: tuple[str, ...]) -> None:
    call.state.put(replace(call.where, protected=patterns))
    git.restrict(call.state.git_folder(call.where), patterns, call.where.without_workflows)


def remove(call: Call) -> Answer:
    if call.user is None:
        raise forbidden()
    call.state.drop(call.where)
    return Answer({"message": "202 Accepted"}, 202)
