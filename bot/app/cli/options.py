"""Options that several of the operator's commands share, and the settings that they choose."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from bot.app.settings.settings import Settings


def _from_root(context: typer.Context, value: Path | None) -> Path | None:
    """Return the `--config` after the command, or else the one before it."""
    before: Path | None = context.find_root().params.get("config")
    return value or before


Config = Annotated[
    Path | None,
    typer.Option(
        callback=_from_root,
        help="The settings. Default: ./forgehand.toml, or else /etc/forgehand/forgehand.toml.",
        show_default=False,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]
Port = Annotated[
    int | None, typer.Option(min=0, max=65535, help="Instead of \\[server] port; 0: any free port.")
]
Model = Annotated[str, typer.Option(help="Model of the agent. Default: the one in its settings.")]
TaskId = Annotated[
    str, typer.Argument(metavar="TASK", help="Id of the task, as in comments, pages and `forgehand tasks`.")
]


def settings_of(config: Path | None, port: int | None = None) -> "Settings":
    """Load the settings; a `port` replaces theirs. Raises BadSettings."""
    from bot.app.settings.settings import load

    settings = load(config)
    if port is None:
        return settings
    return settings.model_copy(update={"server": settings.server.model_copy(update={"port": port})})
