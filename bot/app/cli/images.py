"""`forgehand images`: the images that containers start from.

As in bot/app/cli/main.py, each command imports what it needs when it is called.
"""

from collections.abc import Sequence
from typing import Annotated

import typer

from bot.app.cli.help import command, commands
from bot.app.cli.options import AsJson, Config, settings_of
from bot.app.cli.output import say, show

app = commands("The images that containers start from.")

_ID = len("sha256:") + 12  # characters of an image's id that a table shows

Small = Annotated[
    bool, typer.Option("--small", help="One image from the programs of this machine; takes seconds.")
]


@command(app, name="build")
def build_images(
    small: Small = False,  # noqa: FBT002 - Typer makes flags of these
    base: Annotated[
        str,
        typer.Option(
            metavar="IMAGE", help="Image to build on (default: Debian, or this machine's distribution)."
        ),
    ] = "",
    claude_code: Annotated[
        str | None,
        typer.Option(
            metavar="VERSION",
            help='Version in the agent image, "" for none (default: the one known to this release).',
        ),
    ] = None,
    agent_version: Annotated[
        list[str] | None,
        typer.Option(metavar="KIND=VERSION", help="The same for any kind of agent."),
    ] = None,
    as_json: AsJson = False,  # noqa: FBT002
    config: Config = None,
) -> None:
    """Build the tools image and the agent image. Safe to repeat; no image registry is needed.

    Examples:
      forgehand images build --small
      forgehand images build --agent-version claude=2.1.330
    """
    from bot.sandbox.images.build import build

    chosen = [*(agent_version or []), *([] if claude_code is None else [f"claude={claude_code}"])]
    versions = build_arguments(chosen)
    which = ("small",) if small else ("tools", "agent")
    engine = settings_of(config).sandbox.engine
    made = build(engine, which=which, base=base, versions=versions, say=say)
    show(
        [{"image": name, "id": made[name] if as_json else made[name][:_ID]} for name in made], as_json=as_json
    )


def build_arguments(chosen: Sequence[str]) -> dict[str, str]:
    """Return build arguments of the agent image from "kind=version". Raises BadParameter."""
    from bot.agents.registry import version_arguments

    arguments, known = {}, version_arguments()
    for each in chosen:
        kind, equals, version = each.partition("=")
        if not equals or kind not in known:
            kinds = ", ".join(known)
            raise typer.BadParameter(
                f'--agent-version must be a kind and its version, such as "claude=2.1.330"; kinds: {kinds}.'
            )
        arguments[known[kind]] = version
    return arguments
