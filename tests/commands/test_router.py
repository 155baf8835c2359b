"""Each command has one handler."""

import pytest

from bot.commands.router import Router
from bot.domain.command import Command
from bot.domain.errors import NotUnderstood
from bot.store.ledger import Ledger
from bot.tasks.verbs import Tasks
from handlers import router as all_of_them
from tests.support.commander import DEFAULTS, a_command, patch_url


def hammer_router() -> Router:
    router = Router()

    @router.command("hammer", usage="/hammer [hard]", help="hits it", options=("task",))
    def _(command: Command, tasks: Tasks) -> str:
        return f"hit {command.text}"

    return router


def test_a_command_goes_to_its_handler(sqlite_ledger: Ledger) -> None:
    with sqlite_ledger.write() as tx:
        reply = hammer_router().dispatch(
            a_command("hammer", "hard"),
            Tasks(tx=tx, defaults=DEFAULTS, help=[], patch_url=patch_url),
        )

    assert reply == "hit hard"


def test_two_handlers_of_one_command_are_an_error() -> None:
    with pytest.raises(ValueError, match="two handlers for /hammer"):
        Router(hammer_router(), hammer_router())


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("rnu", "Unknown command `rnu`. Did you mean `/run`? `/help` lists"),
        ("statsu", "Did you mean `/status`"),
        ("thanks!", "I don't know that command. `/help` lists"),
        ("`@acme/team", "I don't know that command."),
        ("", "I don't know that command."),
    ],
)
def test_an_unknown_command_gets_a_suggestion(name: str, expected: str) -> None:
    with pytest.raises(NotUnderstood) as caught:
        all_of_them.route(name)

    assert expected in str(caught.value)
    assert "@" not in str(caught.value)


def test_help_has_a_line_for_each_command_with_its_options() -> None:
    assert hammer_router().help("github") == ["`/hammer [hard]` hits it (`--task`)"]
    assert list(all_of_them.routes) == [
        "run",
        "resume",
        "retry",
        "cancel",
        "approve",
        "diff",
        "keep",
        "discard",
        "status",
        "help",
    ]


def test_help_shows_the_long_form_of_commands_that_the_forge_reserves() -> None:
    router = Router()
    router.command("approve", usage="/approve [commit]", help="pushes it")(lambda _command, _tasks: "")

    assert router.help("github") == ["`/approve [commit]` pushes it"]
    assert router.help("gitlab") == ["`/forgehand approve [commit]` pushes it"]
