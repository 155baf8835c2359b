"""The people and repositories that the bot answers."""

from datetime import UTC, datetime

import pytest

from bot.commands.policy import is_listed, is_machine
from bot.domain.event import Commented
from bot.domain.thread import Actor, Kind, ReplyTarget, Thread

THREAD = Thread(
    forge="github",
    repository_id=7,
    repository_url="https://github.com/Acme/Anvil",
    path="Acme/Anvil",
    kind=Kind.ISSUE,
    number=12,
)


@pytest.mark.parametrize(
    "entry",
    ["acme", "ACME", "acme/anvil", "Acme/Anvil", "github.com/acme", "github.com/acme/anvil", " acme/ "],
)
def test_a_repository_is_listed_by_its_name_or_by_its_owner(entry: str) -> None:
    assert is_listed(THREAD, ["other", entry])


@pytest.mark.parametrize(
    "entry", ["", "/", "*", "acm", "anvil", "acme/anvil2", "acme/anv", "github.com", "gitlab.com/acme/anvil"]
)
def test_other_entries_do_not_list_a_repository(entry: str) -> None:
    assert not is_listed(THREAD, [entry])


def test_an_empty_list_allows_no_repository() -> None:
    assert not is_listed(THREAD, [])


def test_a_group_with_the_name_of_a_host_does_not_match_that_host() -> None:
    lookalike = Thread(
        forge="gitlab",
        repository_id=8,
        repository_url="https://gitlab.example/github.com/acme",
        path="github.com/acme",
        kind=Kind.ISSUE,
        number=1,
    )

    assert not is_listed(lookalike, ["github.com/acme"])
    assert is_listed(lookalike, ["gitlab.example/github.com/acme"])


@pytest.mark.parametrize(
    ("bot", "body", "machine"),
    [
        (False, "/run tidy", False),
        (True, "/run tidy", True),
        (False, "/run tidy\n<!-- forgehand:t1:final -->", True),
        (False, "see forgehand: /run", False),
    ],
)
def test_a_comment_of_a_bot_or_with_the_bots_marker_is_from_a_machine(
    bot: bool,  # noqa: FBT001
    body: str,
    machine: bool,  # noqa: FBT001
) -> None:
    comment = Commented(
        cause="comment:1",
        thread=THREAD,
        actor=Actor(id=5, login="ann", bot=bot),
        at=datetime.now(UTC),
        context=(),
        reply_target=ReplyTarget(comment_id=1),
        body=body,
    )

    assert is_machine(comment) is machine
