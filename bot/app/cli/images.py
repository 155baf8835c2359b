"""The operator's commands about what is on this host: `forgehand workspaces ...`, `forgehand images ...`.

As in bot/app/cli/main.py each imports what it needs when it is called.
"""

from typing import Annotated

import typer

from bot.app.cli.options import AsJson, Config, TaskId, settings_of
from bot.app.cli.output import say, show

workspaces_app = typer.Typer(no_args_is_help=True, help="The folders of tasks on this host.")
images = typer.Typer(no_args_is_help=True, help="The images containers start from.")

Small = Annotated[bool, typer.Option("--small", help="One image of this machine's own programs, in seconds.")]


@workspaces_app.command("ls")
def workspaces_ls(as_json: AsJson = False, config: Config = None) -> None:  # noqa: FBT002
    """List the workspaces of this host, oldest first, with their sizes."""
    from bot.app.cli import workspaces

    workspaces.ls(settings_of(config), as_json=as_json)


@workspaces_app.command("rm")
def workspaces_rm(
    task: TaskId,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,  # noqa: FBT002
    retry_export: Annotated[  # noqa: FBT002
        bool,
        typer.Option(
            "--retry-export", help="Export the workspace first, even if the bot died while it did so before."
        ),
    ] = False,
    config: Config = None,
) -> None:
    """Remove the workspace of a task that is at rest. What was pushed or exported stays."""
    from bot.app.cli import workspaces

    def confirm(question: str) -> None:
        if not yes:
            typer.confirm(question, abort=True)

    workspaces.rm(settings_of(config), task, retry_export=retry_export, confirm=confirm)
    typer.echo(f"Removed the workspace of {task}.")


@images.command("build")
def images_build(
    small: Small = False,  # noqa: FBT002 - Typer makes flags of these
    base: Annotated[str, typer.Option(help="Image to build on; else Debian, or this machine's own.")] = "",
    claude_code: Annotated[
        str | None, typer.Option(help='Version in the agent image, "" for none; else the one we know.')
    ] = None,
    as_json: AsJson = False,  # noqa: FBT002
    config: Config = None,
) -> None:
    """Make the tools image and the agent image. Safe to repeat; no image registry is needed."""
    from bot.sandbox.images.build import build

    which = ("small",) if small else ("tools", "agent")
    engine = settings_of(config).sandbox.engine
    made = build(engine, which=which, base=base, claude=claude_code, say=say)
    show([{"image": name, "id": made[name]} for name in made], as_json=as_json)
