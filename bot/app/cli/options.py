"""Options that several of the operator's commands share, and the settings that they choose."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bot import __version__
from bot.app.cli.help import number

if TYPE_CHECKING:
    from bot.app.settings.settings import Settings


def _from_root(context: typer.Context, value: Path | None) -> Path | None:
    """Return the `--config` after the command, or else the one before it."""
    before: Path | None = context.find_root().params.get("config")
    return value or before


def _newest_tasks(incomplete: str) -> list[str]:
    """Return ids of tasks for the completion of a shell; none if the ledger cannot be read."""
    from bot.app.cli.task_list import ids_beginning_with

    return ids_beginning_with(incomplete)


def _print_version(value: bool) -> None:  # noqa: FBT001 - Typer's callbacks take the value
    if value:
        typer.echo(__version__)
        raise typer.Exit


Version = Annotated[
    bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
]
Config = Annotated[
    Path | None,
    typer.Option(
        callback=_from_root,
        metavar="FILE",
        help="Settings file (default: ./forgehand.toml, then /etc/forgehand/forgehand.toml).",
        show_default=False,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]
Port = Annotated[
    int | None,
    typer.Option(
        metavar="PORT",
        parser=number(0, 65535),
        help="Port to listen on; 0: any free one (default: \\[server] port).",
        show_default=False,
    ),
]
Model = Annotated[
    str, typer.Option(metavar="MODEL", help="Model to use (default: the agent's).", show_default=False)
]
TaskId = Annotated[
    str,
    typer.Argument(
        metavar="TASK",
        help="Task id, or its first letters (see `forgehand tasks`).",
        show_default=False,
        autocompletion=_newest_tasks,
    ),
]


def settings_of(config: Path | None, port: int | None = None) -> "Settings":
    """Load the settings; a `port` replaces theirs. Raises BadSettings."""
    from bot.app.settings.settings import load

    settings = load(config)
    if port is None:
        return settings
    return settings.model_copy(update={"server": settings.server.model_copy(update={"port": port})})
