"""Arguments and calls that many tests of the adapters share."""

from dataclasses import replace

from bot.domain.change import CheckState, NewChange, Status
from bot.domain.thread import Actor, Kind, ReplyTarget, Thread
from bot.playground.state import Comment
from tests.support.playground_github import Playground
from tests.support.playground_gitlab import AnyPlayground

HERE = ReplyTarget()
MARKER = "<!-- forgehand:t1:final -->"


def anvil(forge: str) -> Thread:
    return Thread(
        forge=forge,
        repository_id=7,
        repository_url=f"https://{forge}.com/acme/anvil",
        path="acme/anvil",
        kind=Kind.ISSUE,
        number=1,
    )


def new_change(head_branch: str, *, draft: bool = True, title: str = "Tidy") -> NewChange:
    return NewChange(head_branch=head_branch, base_branch="main", title=title, body="Done.", draft=draft)


def status(verdict: CheckState, description: str = "Running.", url: str = "https://bot.example/t1") -> Status:
    return Status(verdict=verdict, description=description, url=url)


def actor(playground: AnyPlayground, login: str) -> Actor:
    """Return the account with this login as the forge describes it."""
    if isinstance(playground, Playground):
        user = playground.ask("GET", "/api/v3/user", as_=login)
        return Actor(id=user["id"], login=user["login"])
    user = playground.ask("GET", "/api/v4/user", as_=login)
    return Actor(id=user["id"], login=user["username"], bot=user["bot"])


def add_comments(playground: AnyPlayground, count: int) -> None:
    """Add this many comments to the first issue, all but one directly to the state of the playground."""
    state = playground.ground.state
    said = state.get(Comment, playground.comment(1, "chatter"))
    assert said is not None
    for _ in range(count - 1):
        state.put(replace(said, id=state.new_id()))
