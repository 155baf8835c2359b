"""Operations under `/_playground` that no forge offers, for tests and newcomers."""

import secrets
from dataclasses import replace

from bot.playground import git
from bot.playground.calls import Answer, Call
from bot.playground.github.calls import Route, thread
from bot.playground.github.rules import Refused, invalid
from bot.playground.github.transfer import transfer
from bot.playground.rate_limits import Limits
from bot.playground.state import Collaborator, Issue, Repository, State, User, now, touched

README = "# Anvil\n\nReads `key = value` lines. `python3 -m unittest` runs its tests.\n"
PARSER = '''"""Read `key = value` lines."""


def parse(text):
    result = {}
    for line in text.split("\\n"):
        if line.strip() != "":
            if line.strip()[0] != "#":
                parts = line.split("=")
                result[parts[0].strip()] = parts[1].strip()
    return result
'''
TEST = """import unittest

from anvil.parser import parse


class ParserTest(unittest.TestCase):
    def test_reads_pairs_and_skips_comments(self):
        self.assertEqual(parse("a = 1\\n# no\\nb = 2\\n"), {"a": "1", "b": "2"})


if __name__ == "__main__":
    unittest.main()
"""
FILES = {
    "README.md": README,
    "anvil/__init__.py": "",
    "anvil/parser.py": PARSER,
    "tests/test_parser.py": TEST,
}


def furnish(state: State) -> None:
    """Create the users, the repository and the issue that a new playground begins with."""
    for login in ("forgehand", "ann", "reader", "otherbot"):
        add_user(state, login, kind="Bot" if login == "otherbot" else "User")
    where = add_repository(state, "acme", "anvil")
    for login, role in (("ann", "admin"), ("forgehand", "write")):
        state.put(Collaborator(id=state.new_id(), repository=where.id, login=login, role=role))
    state.put(Issue(
        id=state.new_id(), repository=where.id, number=1, iid=1, title="Tidy the parser", author="ann",
        body="`anvil/parser.py` works, but nobody likes to read it. A value with `=` in it is cut, too.",
        created_at=now(), updated_at=now(),
    ))  # fmt: skip
    state.save()


def add_user(state: State, login: str, *, kind: str) -> User:
    return state.put(User(id=state.new_id(), login=login, type=kind, token=f"ghp_{secrets.token_hex(18)}"))


def add_repository(state: State, owner: str, name: str) -> Repository:
    """Create a public repository of `owner` with a small Python package in it."""
    if state.first(User, lambda user: user.login == owner) is None:
        add_user(state, owner, kind="Organization")
    where = Repository(id=state.new_id(), owner=owner, name=name, created_at=now(), pushed_at=now())
    git.create(state.git_folder(where), FILES, branch=where.default_branch)
    return state.put(where)


def create_user(call: Call) -> Answer:
    """Create the user `login` of `type`, and return its token."""
    login = call.field("login")
    if not login or call.state.first(User, lambda user: user.login == login):
        raise invalid("User", "invalid", field="login")
    made = add_user(call.state, login, kind=call.field("type", "User"))
    return Answer({"id": made.id, "login": login, "token": made.token}, 201)


def new_token(call: Call) -> Answer:
    """Replace the user's token. The old one is refused from now on."""
    who = call.state.first(User, lambda user: user.login == call.path["login"])
    if who is None:
        raise Refused(404, "Not Found")
    who = call.state.put(replace(who, token=f"ghp_{secrets.token_hex(18)}"))
    return Answer({"login": who.login, "token": who.token}, 201)


def create_repository(call: Call) -> Answer:
    """Create the repository `name` of `owner`, with the caller as its admin."""
    owner, name = call.field("owner", call.login), call.field("name")
    if not name or call.state.first(Repository, lambda row: row.path == f"{owner}/{name}"):
        raise invalid("Repository", "invalid", field="name")
    made = add_repository(call.state, owner, name)
    call.state.put(Collaborator(id=call.state.new_id(), repository=made.id, login=call.login, role="admin"))
    return Answer({"id": made.id, "full_name": made.path}, 201)


def remove_git(call: Call) -> Answer:
    """Take the repository away from git, but not its issues. `restore_git` brings it back."""
    folder = call.state.git_folder(call.where)
    if folder.exists():
        folder.rename(folder.with_suffix(".gone"))
    return Answer(status=204)


def restore_git(call: Call) -> Answer:
    gone = call.state.git_folder(call.where).with_suffix(".gone")
    if gone.exists():
        gone.rename(call.state.git_folder(call.where))
    return Answer(status=204)


def set_workflows(call: Call) -> Answer:
    """Give or take the permission for workflow files, as `allowed` says, to the token of the user `login`."""
    login = call.field("login")
    without = tuple(name for name in call.where.without_workflows if name != login)
    without += () if call.field("allowed") else (login,)
    call.state.put(replace(call.where, without_workflows=without))
    git.restrict(call.state.git_folder(call.where), call.where.protected, without)
    return Answer(status=204)


def delete_issue(call: Call) -> Answer:
    call.state.put(touched(thread(call), deleted=True))
    return Answer(status=204)


def exhaust(limits: Limits, call: Call) -> Answer:
    """Use up the user's requests for `seconds`."""
    login, seconds = call.field("login"), call.field("seconds", 60)
    if not isinstance(login, str) or not isinstance(seconds, int | float):
        raise Refused(400, "login and seconds, please")
    limits.exhaust(login, seconds)
    return Answer(status=204)


ROUTES = (
    Route("POST", "/users", "login", create_user),
    Route("POST", "/users/{login}/token", "login", new_token),
    Route("POST", "/repos", "login", create_repository),
)
REPOSITORY_ROUTES = (
    Route("DELETE", "/git", "admin", remove_git),
    Route("PUT", "/git", "admin", restore_git),
    Route("PUT", "/workflows", "admin", set_workflows),
    Route("DELETE", "/issues/{number:int}", "admin", delete_issue),
    Route("POST", "/issues/{number:int}/transfer", "admin", transfer),
)
