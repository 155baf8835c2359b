"""The operator's commands. Users give commands in comments, operators here.

Each command imports what it needs when it is called, so that `forgehand --help`
does not wait for database drivers and container clients.
"""

import json
import resource
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from bot import __version__
from bot.app.cli import images, look, workspaces
from bot.app.cli.help import OPERATE, RUN, command, commands, number
from bot.app.cli.options import AsJson, Config, Model, Port, TaskId, Version, settings_of
from bot.app.cli.output import say
from bot.domain.core_dumps import NO_CORE_DUMPS
from bot.domain.errors import BadSettings, BotError, LedgerUnavailable, NotUnderstood

app = commands(
    "A self-hosted bot for git forges: write `/run` under an issue, get a branch back from an agent "
    "in a container.\n\n"
    'To try it without a forge:  [bold]forgehand run . "say hello in README.md"[/bold]'
)
app.add_typer(look.app)
app.add_typer(workspaces.app, name="workspaces", rich_help_panel=OPERATE)
app.add_typer(images.app, name="images", rich_help_panel=OPERATE)


@app.callback()
def _root(version: Version = False, config: Config = None) -> None:  # noqa: FBT002 - Typer makes flags of these
    pass


@command(app, OPERATE)
def up(port: Port = None, config: Config = None) -> None:
    """Receive webhooks and work on them, all in this one process.

    Prints the address of its receiver. http://ADDRESS/readyz answers when it is ready.

    Examples:
      forgehand up
      forgehand up --config /srv/forgehand.toml --port 8081
    """
    from bot.app import processes

    processes.up(settings_of(config, port), typer.echo)


@command(app, OPERATE)
def serve(port: Port = None, config: Config = None) -> None:
    """Receive webhooks and show pages. Needs \\[queue] url, and at least one `forgehand work`.

    Example:
      forgehand serve --port 8080
    """
    from bot.app import processes

    processes.serve(settings_of(config, port), typer.echo)


@command(app, OPERATE)
def work(
    host: Annotated[
        str, typer.Option(metavar="NAME", help="Name of this host, stored at its first start.")
    ] = "",
    config: Config = None,
) -> None:
    """Answer commands, run agents and report. Needs \\[queue] url. Start as many as you like.

    Example:
      forgehand work --host build-1
    """
    from bot.app import processes

    processes.work(settings_of(config), host=host)


@command(app, RUN)
def run(
    repository: Annotated[
        str,
        typer.Argument(metavar="REPOSITORY", help="URL or folder of any git repository you can push to."),
    ],
    instructions: Annotated[
        str,
        typer.Argument(
            metavar="[INSTRUCTIONS]",
            help="Instructions for the agent; `-`: from standard input; none: from your editor.",
            show_default=False,
        ),
    ] = "",
    agent: Annotated[str, typer.Option(metavar="NAME", help="One of \\[agents] (default: the first).")] = "",
    model: Model = "",
    base: Annotated[
        str, typer.Option(metavar="BRANCH", help="Branch to start from (default: the default branch).")
    ] = "",
    timeout: Annotated[
        str,
        typer.Option(metavar="TIME", help="Time limit, e.g. 30m (default: \\[sandbox] wall_limit)."),
    ] = "",
    as_json: AsJson = False,  # noqa: FBT002 - Typer makes flags of these
    config: Config = None,
) -> None:
    """Let an agent work on a repository, without any forge, and print the branch it pushed.

    Exit status 0: pushed, or nothing to change; 1: anything else, with the command to continue.

    Examples:
      forgehand run /srv/git/anvil.git "tidy the parser"
      forgehand run . "add tests" --base main --timeout 30m
      forgehand run . - <instructions.md
    """
    from bot.app.cli import run

    settings = settings_of(config)
    arguments = run.RunArguments(
        repository=repository, text=instructions, agent=agent, model=model, base=base, timeout=timeout
    )
    raise typer.Exit(run.run(settings, arguments, as_json=as_json))


@command(app, RUN)
def resume(
    task: TaskId,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="Further instructions.")] = "",
    agent: Annotated[
        str, typer.Option(metavar="NAME", help="Another of \\[agents]. It starts a fresh session.")
    ] = "",
    model: Model = "",
    as_json: AsJson = False,  # noqa: FBT002
    config: Config = None,
) -> None:
    """Continue a task in its own workspace, on its own branch.

    Without TEXT, the failed run is repeated; after a refused push, only the push.

    Examples:
      forgehand resume k7m2xq4p "and add tests"
      forgehand resume k7m2xq4p
    """
    from bot.app.cli import run

    settings = settings_of(config)
    raise typer.Exit(run.resume(settings, task, text, agent=agent, model=model, as_json=as_json))


@command(app, RUN)
def approve(task: TaskId, as_json: AsJson = False, config: Config = None) -> None:  # noqa: FBT002
    """Push a commit that awaits approval because it changes protected paths.

    Examples:
      forgehand diff k7m2xq4p       # look at it first
      forgehand approve k7m2xq4p
    """
    from bot.app.cli import run

    raise typer.Exit(run.approve(settings_of(config), task, as_json=as_json))


@command(app, RUN)
def cancel(task: TaskId, config: Config = None) -> None:
    """Stop any task. Its workspace is kept.

    Example:
      forgehand cancel k7m2xq4p
    """
    from bot.app.cli import tasks

    typer.echo(tasks.cancel(config, task))


@command(app, OPERATE)
def playground(
    port: Annotated[int, typer.Option(metavar="PORT", parser=number(0, 65535), help="0: any free port.")] = 0,
    data: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Folder for its repositories and its state.")
    ] = Path("playground"),
    as_json: AsJson = False,  # noqa: FBT002
) -> None:
    """Start a local forge to try the bot with. Prints its addresses, tokens and webhook secret.

    Example:
      forgehand playground --port 8090
    """
    from bot.playground.app import serve as serve_playground

    try:
        serve_playground(data, port, announce=lambda about: _about(about, as_json=as_json))
    except OSError as error:  # only from the start: errors of requests are answers
        raise BadSettings(f"The playground cannot start: {error}. Choose another --port or --data.") from None


@command(app, OPERATE)
def version() -> None:
    """Print the version, as `forgehand --version` does.

    Example:
      forgehand version
    """
    typer.echo(__version__)


def main() -> None:
    """Run one command. An expected error becomes one sentence.

    The exit status is 2 if a word of the command line makes no sense, and 1 for any other error.
    """
    # Also of the programs that it starts.
    resource.setrlimit(resource.RLIMIT_CORE, (NO_CORE_DUMPS, NO_CORE_DUMPS))
    try:
        app(prog_name="forgehand")
    except BotError as error:
        say(str(error))
        sys.exit(2 if isinstance(error, NotUnderstood) else 1)
    except LedgerUnavailable as error:
        say(f"The ledger does not answer ({error}). Try again in a moment.")
        sys.exit(1)


def _about(about: dict[str, Any], *, as_json: bool) -> None:
    lines = [json.dumps(about)] if as_json else [f"{key}: {value}" for key, value in about.items()]
    typer.echo("\n".join(lines))
    sys.stdout.flush()
