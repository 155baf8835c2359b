"""`/help`: list the commands, from the router itself."""

from bot.commands.router import Router
from bot.commands.triggers import LABEL
from bot.domain.command import Command
from bot.tasks.verbs import Tasks

router = Router()


@router.command("help", usage="/help", help="shows this list")
def help(command: Command, tasks: Tasks) -> str:
    """List the commands, their options, and the other ways to give a command."""
    bot = tasks.defaults.bot_names[command.thread.forge]
    agents = ", ".join(f"`{name}`" for name in sorted(tasks.defaults.agents))
    lines = [f"- {line}" for line in tasks.help]
    return "\n".join(
        [
            "A command stands at the start of a line; the rest of the comment is its text.",
            "",
            *lines,
            "",
            "Options stand right after the command word: `--timeout` takes `90s`, `30m`, `2h` or `1d`, "
            f"`--pr` one of `draft`, `ready`, `link`, `none`, `--agent` one of {agents}.",
            "",
            f"`/forgehand run ...` and `@{bot} run ...` mean the same as `/run ...`. "
            f"Adding the label `{LABEL}`, or assigning this account, starts a task that does "
            "what the thread asks for.",
        ]
    )
