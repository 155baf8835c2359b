"""`/help`: what may be said here, from the router itself."""

from bot.commands.router import Router
from bot.commands.triggers import LABEL
from bot.domain.command import Command
from bot.tasks.verbs import Tasks

router = Router()


@router.command("help", usage="/help", help="says this")
def help(command: Command, tasks: Tasks) -> str:
    """The commands, their options, and the other ways to say them."""
    bot = tasks.defaults.bot_names[command.thread.forge]
    agents = ", ".join(f"`{name}`" for name in sorted(tasks.defaults.agents))
    lines = [f"- {line}" for line in tasks.help]
    return "\n".join(
        [
            "A command stands at the start of a line; the rest of the comment is its text.",
            "",
            *lines,
            "",
            "Options stand right after the command word: `--timeout` takes `90s`, `30m` or `2h`, "
            f"`--pr` one of `draft`, `ready`, `link`, `none`, `--agent` one of {agents}.",
            "",
            f"`/forgehand run ...` and `@{bot} run ...` say the same as `/run ...`; "
            f"the label `{LABEL}`, and this account as assignee, ask for what the thread itself asks.",
        ]
    )
