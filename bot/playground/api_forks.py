"""Copies of a repository under other owners."""

from bot.playground import api_pulls, git, shapes
from bot.playground.api_repository import shown
from bot.playground.calls import Answer, Call, Route
from bot.playground.state import Repository, now


def fork(call: Call) -> Answer:
    """A copy under the caller's login; the one that is there already, if they have one."""
    state, where = call.state, call.where
    made = state.first(Repository, lambda row: (row.fork_of, row.owner) == (where.id, call.login))
    if made is None:
        made = state.put(Repository(
            id=state.new_id(), owner=call.login, name=_free(call), created_at=now(), pushed_at=now(),
            default_branch=where.default_branch, private=where.private, fork_of=where.id,
        ))  # fmt: skip
        git.copy(state.git_folder(where), state.git_folder(made), branch=made.default_branch)
        call.tell("fork", forkee=shapes.repository(state, made))
    return Answer(shown(state, made, call.user), 202)


def _free(call: Call) -> str:
    name = call.field("name") or call.where.name
    taken = {row.path for row in call.state.all(Repository)}
    while f"{call.login}/{name}" in taken:
        name = f"{name}-1"
    return str(name)


def delete(call: Call) -> Answer:
    """The repository; pull requests from it into others are closed, and have no `head.repo` any more."""
    call.state.drop(call.where)
    api_pulls.follow_pushes(call)
    return Answer(status=204)


ROUTES = (Route("POST", "/forks", "read", fork), Route("DELETE", "", "admin", delete))
