"""Forks: copies of a repository under other owners."""

from bot.playground import git
from bot.playground.calls import Answer, Call
from bot.playground.github import hooks, json_shapes, pulls
from bot.playground.github.calls import Route
from bot.playground.github.repository import shown
from bot.playground.state import Repository, now


def fork(call: Call) -> Answer:
    """Fork the repository under the caller's login. A fork that exists already is returned."""
    state, where = call.state, call.where
    made = state.first(Repository, lambda row: (row.fork_of, row.owner) == (where.id, call.login))
    if made is None:
        made = state.put(Repository(
            id=state.new_id(), owner=call.login, name=_free(call), created_at=now(), pushed_at=now(),
            default_branch=where.default_branch, private=where.private, fork_of=where.id,
        ))  # fmt: skip
        git.copy(state.git_folder(where), state.git_folder(made), branch=made.default_branch)
        hooks.send(call, "fork", forkee=json_shapes.repository(state, made))
    return Answer(shown(state, made, call.user), 202)


def _free(call: Call) -> str:
    name = call.field("name") or call.where.name
    taken = {row.path for row in call.state.all(Repository)}
    while f"{call.login}/{name}" in taken:
        name = f"{name}-1"
    return str(name)


def delete(call: Call) -> Answer:
    """Delete the repository.

    Pull requests from it into other repositories are closed, and have no `head.repo` any more.
    """
    call.state.drop(call.where)
    pulls.follow_pushes(call)
    return Answer(status=204)


ROUTES = (Route("POST", "/forks", "read", fork), Route("DELETE", "", "admin", delete))
