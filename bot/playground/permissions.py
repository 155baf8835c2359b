"""Authentication, and the roles of users in a repository, for both forges."""

import base64

from bot.playground.state import Collaborator, Repository, State, User

ROLES = ("none", "read", "triage", "write", "maintain", "admin")


class BadCredentials(Exception):
    """No user has this token."""


def caller(state: State, authorization: str | None) -> User | None:
    """Return the user whose token this is, sent as a bearer or as a Basic password; None without one.

    Raises BadCredentials.
    """
    if not authorization:
        return None
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() == "basic":
        try:
            token = base64.b64decode(token).decode().partition(":")[2]
        except ValueError:
            token = ""
    found = state.first(User, lambda user: user.token == token.strip())
    if found is None:
        raise BadCredentials
    return found


def role(state: State, repository: Repository, user: User | None) -> str:
    """Return the role of `user`. Anybody may read a public repository."""
    if user is not None and user.login == repository.owner:
        return "admin"
    given = user and state.first(
        Collaborator, lambda row: row.repository == repository.id and row.login == user.login
    )
    if given:
        return given.role
    return "none" if repository.private else "read"


def may(state: State, repository: Repository, user: User | None, wanted: str) -> bool:
    return ROLES.index(role(state, repository, user)) >= ROLES.index(wanted)
