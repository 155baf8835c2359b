"""Options that several of the operator's commands take, and the settings they lead to."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from bot.app.settings.load import Settings


def _or_the_first(context: typer.Context, value: Path | None) -> Path | None:
    """`--config` may stand before the command or after it."""
    given: Path | None = context.find_root().params.get("config")
    return value or given


Config = Annotated[
    Path | None,
    typer.Option(
        callback=_or_the_first,
        help="The settings. Else ./forgehand.toml, else /etc/forgehand/forgehand.toml.",
        show_default=False,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]
Port = Annotated[
    int | None, typer.Option(min=0, max=65535, help="Instead of \\[server] port; 0: any free one.")
]
Model = Annotated[str, typer.Option(help="For the agent to work with; else what its settings say.")]
TaskId = Annotated[str, typer.Argument(metavar="TASK", help="As in comments, pages and `forgehand tasks`.")]


def settings_of(config: Path | None, port: int | None = None) -> "Settings":
    """Raises BadSettings."""
    from bot.app.settings.load import load

    settings = load(config)
    if port is None:
        return settings
    return settings.model_copy(update={"server": settings.server.model_copy(update={"port": port})})
