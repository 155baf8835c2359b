"""The changes of one branch, as the adapters of both forges list them."""

import pytest

from bot.domain.change import BranchChange
from bot.domain.errors import ForgeError
from bot.domain.thread import Thread
from bot.forges.forge import Forge
from bot.forges.gitlab.adapter import GitLab
from tests.forges.adapter_calls import anvil
from tests.support.playground_clones import push_commit
from tests.support.playground_gitlab import AnyPlayground
from tests.support.scripted_server import Response, Server


@pytest.mark.parametrize("end", ["merged", "closed", "open"])
def test_the_changes_of_a_branch_are_listed_with_their_ends(
    forge: Forge, playground: AnyPlayground, thread: Thread, end: str
) -> None:
    push_commit(playground, "stable")
    push_commit(playground, "topic", "other\n")
    first = playground.open_pull("First", head="topic", base="stable")
    playground.close_issue(first)
    second = playground.open_pull("Second", head="topic")
    playground.open_pull("Other", head="stable")
    if end == "merged":
        playground.merge(second)
    elif end == "closed":
        playground.close_issue(second)

    found = forge.changes_of(thread, "topic")

    assert found == [
        BranchChange(number=second, base_branch="main", ended=end != "open", merged=end == "merged"),
        BranchChange(number=first, base_branch="stable", ended=True, merged=False),
    ]
    assert forge.changes_of(thread, "nothing") == []


def test_a_change_of_a_fork_is_not_a_change_of_the_branch(
    forge: Forge, playground: AnyPlayground, thread: Thread
) -> None:
    fork = playground.fork("zoe")
    push_commit(playground, "topic", path=fork, as_="zoe")
    playground.open_pull("Theirs", head="zoe:topic", as_="zoe")

    assert forge.changes_of(thread, "topic") == []


def test_changes_of_forks_do_not_hide_those_of_the_branch(server: Server) -> None:
    forge = GitLab(url=server.url, token="token-x")
    theirs = [{"iid": number, "source_project_id": 8} for number in range(100)]
    ours = {"iid": 3, "source_project_id": 7, "target_branch": "main", "state": "closed"}
    server.script = [Response(200, theirs), Response(200, theirs), Response(200, [theirs[0], ours])]

    [change] = forge.changes_of(anvil("gitlab"), "topic")

    assert (change.number, change.ended) == (3, True)
    assert [f"&page={number}&" in path for number, (_, path, _) in enumerate(server.asked, 1)] == [True] * 3


def test_a_change_without_a_state_is_an_unreadable_response(scripted: Forge, server: Server) -> None:
    repository = {"id": 7, "full_name": "acme/anvil", "default_branch": "main"}
    row = {"number": 5, "iid": 5, "base": {"ref": "main"}, "target_branch": "main"}
    row |= {"head": {"repo": {"id": 7}}, "source_project_id": 7}
    asked = [Response(200, repository)] if scripted.name == "github" else []
    server.script = [*asked, Response(200, [row])]

    with pytest.raises(ForgeError, match="state is missing"):
        scripted.changes_of(anvil(scripted.name), "topic")
