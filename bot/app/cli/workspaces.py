"""`forgehand workspaces`: list and remove the workspaces of this host.

As in bot/app/cli/main.py, each command imports what it needs when it is called.
"""

from typing import Annotated

import typer

from bot.app.cli.help import command, commands
from bot.app.cli.options import AsJson, Config, TaskId, settings_of

app = commands("The folders of tasks on this host.")


@command(app, name="ls")
def ls(as_json: AsJson = False, config: Config = None) -> None:  # noqa: FBT002 - Typer makes flags of these
    """List the workspaces of this host, oldest first, with their sizes.

    Example:
      forgehand workspaces ls
    """
    from bot.app.cli import host_workspaces

    host_workspaces.ls(settings_of(config), as_json=as_json)


@command(app, name="rm")
def rm(
    task: TaskId,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Skip the confirmation.")] = False,  # noqa: FBT002
    retry_export: Annotated[  # noqa: FBT002
        bool,
        typer.Option(
            "--retry-export", help="Export the workspace first, even if the bot died while it did so before."
        ),
    ] = False,
    config: Config = None,
) -> None:
    """Remove the workspace of a task that is not queued or running. Pushed and exported work stays.

    Example:
      forgehand workspaces rm k7m2xq4p
    """
    from bot.app.cli import host_workspaces

    def confirm(question: str) -> None:
        if not yes:
            typer.confirm(question, abort=True)

    removed = host_workspaces.rm(settings_of(config), task, retry_export=retry_export, confirm=confirm)
    typer.echo(f"Removed the workspace of {removed}.")
