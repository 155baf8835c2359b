"""`forgehand images`: the images that containers start from.

As in bot/app/cli/main.py, each command imports what it needs when it is called.
"""

from typing import Annotated

import typer

from bot.app.cli.options import AsJson, Config, settings_of
from bot.app.cli.output import say, show

app = typer.Typer(no_args_is_help=True, help="The images containers start from.")

Small = Annotated[bool, typer.Option("--small", help="One image of this machine's own programs, in seconds.")]


@app.command("build")
def build_images(
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
