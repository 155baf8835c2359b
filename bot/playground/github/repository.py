"""The repository itself: name, collaborators and protection; and users."""

from dataclasses import replace
from typing import Any

from bot.playground import git, permissions
from bot.playground.calls import Answer, Call
from bot.playground.github import json_shapes
from bot.playground.github.calls import Route
from bot.playground.github.rules import Refused, invalid
from bot.playground.state import Collaborator, Repository, State, User


def me(call: Call) -> Answer:
    return Answer(json_shapes.full_user(call.state, call.state.user(call.login)))


def _user(call: Call, login: str) -> User:
    try:
        return call.state.user(login)
    except KeyError:
        raise Refused(404, "Not Found") from None


def get_user(call: Call) -> Answer:
    return Answer(json_shapes.full_user(call.state, _user(call, call.path["login"])))


def shown(state: State, where: Repository, user: User | None) -> dict[str, Any]:
    """Return the repository with its parent and the permissions of `user`."""
    parent = state.get(Repository, where.fork_of)
    family = dict.fromkeys(("parent", "source"), json_shapes.repository(state, parent)) if parent else {}
    may = {"permissions": json_shapes.permissions(permissions.role(state, where, user))} if user else {}
    return {**json_shapes.repository(state, where), **family, **may}


def get(call: Call) -> Answer:
    return Answer(shown(call.state, call.state.get(Repository, call.where.id) or call.where, call.user))


def edit(call: Call) -> Answer:
    """Rename, archive or hide the repository."""
    where = call.where
    name = call.field("name", where.name)
    if name != where.name:
        taken = call.state.first(Repository, lambda row: row.path == f"{where.owner}/{name}")
        if taken:
            message = "name already exists on this account"
            raise invalid("Repository", "custom", field="name", message=message)
        where = replace(where, name=name, earlier_paths=(*where.earlier_paths, where.path))
    private, archived = call.field("private", where.private), call.field("archived", where.archived)
    call.state.put(replace(where, private=private, archived=archived))
    return get(call)


def permission(call: Call) -> Answer:
    who = _user(call, call.path["login"])
    role = permissions.role(call.state, call.where, who)
    # `permission` is the older, coarser form of the role.
    coarse = {"maintain": "write", "triage": "read"}.get(role, role)
    user = {
        **json_shapes.user(call.state, who.login),
        "permissions": json_shapes.permissions(role),
        "role_name": role,
    }
    return Answer({"permission": coarse, "role_name": role, "user": user})


def set_collaborator(call: Call) -> Answer:
    """Set `permission` to pull, triage, push, maintain or admin. No invitation has to be accepted."""
    who = _user(call, call.path["login"])
    role = call.field("permission", "push")
    role = {"pull": "read", "push": "write"}.get(role, role)
    if role not in permissions.ROLES[1:]:
        raise invalid("Repository", "invalid", field="permission")
    _drop_collaborator(call, who)
    call.state.put(Collaborator(id=call.state.new_id(), repository=call.where.id, login=who.login, role=role))
    return Answer(status=204)


def remove_collaborator(call: Call) -> Answer:
    _drop_collaborator(call, _user(call, call.path["login"]))
    return Answer(status=204)


def _drop_collaborator(call: Call, who: User) -> None:
    for row in call.state.all(Collaborator):
        if (row.repository, row.login) == (call.where.id, who.login):
            call.state.drop(row)


def protect(call: Call) -> Answer:
    """Refuse all pushes to a branch. The name may be a pattern, which GitHub allows only in rulesets."""
    return _protect(call, (*call.where.protected, call.path["branch"]))


def unprotect(call: Call) -> Answer:
    return _protect(call, tuple(name for name in call.where.protected if name != call.path["branch"]))


def _protect(call: Call, patterns: tuple[str, ...]) -> Answer:
    call.state.put(replace(call.where, protected=patterns))
    git.restrict(call.state.git_folder(call.where), patterns, call.where.without_workflows)
    if call.body is None:
        return Answer(status=204)
    url = f"{json_shapes.api_url(call.state, call.where)}/branches/{call.path['branch']}/protection"
    return Answer({"url": url})


ROUTES = (
    Route("GET", "", "read", get),
    Route("PATCH", "", "admin", edit),
    Route("GET", "/collaborators/{login}/permission", "write", permission),
    Route("PUT", "/collaborators/{login}", "admin", set_collaborator),
    Route("DELETE", "/collaborators/{login}", "admin", remove_collaborator),
    Route("PUT", "/branches/{branch:path}/protection", "admin", protect),
    Route("DELETE", "/branches/{branch:path}/protection", "admin", unprotect),
)
USER_ROUTES = (Route("GET", "/user", "login", me), Route("GET", "/users/{login}", "none", get_user))
