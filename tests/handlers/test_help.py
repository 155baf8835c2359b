"""`/help` lists the commands."""

from handlers import router
from tests.support.commander import Say


def test_the_help_names_every_command_every_option_and_every_agent(say: Say) -> None:
    reply = say("@forge-bot help")

    for route in router.routes.values():
        assert f"- `{route.usage}` {route.help}" in reply
    assert "`--agent`, `--base`, `--here`, `--model`, `--pr`, `--timeout`" in reply
    assert "`--agent` one of `codex`, `demo`" in reply
    assert "Adding the label `forgehand`" in reply
