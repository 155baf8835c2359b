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
from bot.app.cli import images, workspaces
from bot.app.cli.options import AsJson, Config, Model, Port, TaskId, settings_of
from bot.app.cli.output import say
from bot.domain.core_dumps import NO_CORE_DUMPS
from bot.domain.errors import BadSettings, BotError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="A self-hosted bot for git forges: write `/run` under an issue, get a branch back from an agent "
    'in a container.\n\nTo try it without a forge:  [bold]forgehand run . "say hello in README.md"[/bold]',
)
app.add_typer(workspaces.app, name="workspaces")
app.add_typer(images.app, name="images")


@app.callback()
def _root(config: Config = None) -> None:
    pass


@app.command()
def up(port: Port = None, config: Config = None) -> None:
    """Receive webhooks and work on them, all in this one process.

    Prints the address of its receiver. http://ADDRESS/readyz answers when it is ready.
    """
    from bot.app import processes

    processes.up(settings_of(config, port), typer.echo)


@app.command()
def serve(port: Port = None, config: Config = None) -> None:
    """Receive webhooks and show pages. Needs \\[queue] url, and at least one `forgehand work`."""
    from bot.app import processes

    processes.serve(settings_of(config, port), typer.echo)


@app.command()
def work(
    host: Annotated[
        str, typer.Option(help="Name for the data folder of this machine. It cannot be changed later.")
    ] = "",
    config: Config = None,
) -> None:
    """Answer commands, run agents and report. Needs \\[queue] url. Start as many as you like."""
    from bot.app import processes

    processes.work(settings_of(config), host=host)


@app.command()
def run(
    repository: Annotated[str, typer.Argument(help="URL or folder of any git repository you can push to.")],
    instructions: Annotated[str, typer.Argument(help="Instructions for the agent.")],
    agent: Annotated[str, typer.Option(help="One of \\[agents]. Default: the first.")] = "",
    model: Model = "",
    base: Annotated[str, typer.Option(help="Branch to start from. Default: the default branch.")] = "",
    timeout: Annotated[str, typer.Option(help="Such as 30m or 2h. Default: \\[sandbox] wall_limit.")] = "",
    as_json: AsJson = False,  # noqa: FBT002 - Typer makes flags of these
    config: Config = None,
) -> None:
    """Let an agent work on a repository, without any forge, and print the branch it pushed.

    Exit status 0: pushed, or nothing to change; 1: anything else, with the command to continue.

    \b
    forgehand run /srv/git/anvil.git "tidy the parser"
    forgehand run https://git.example.org/acme/anvil "add tests" --base main --timeout 30m
    """
    from bot.app.cli import run

    settings = settings_of(config)
    arguments = run.RunArguments(
        repository=repository, text=instructions, agent=agent, model=model, base=base, timeout=timeout
    )
    raise typer.Exit(run.run(settings, arguments, as_json=as_json))


@app.command()
def resume(
    task: TaskId,
    text: Annotated[str, typer.Argument(help="Further instructions.")] = "",
    agent: Annotated[str, typer.Option(help="Another of \\[agents]. It starts a fresh session.")] = "",
    model: Model = "",
    as_json: AsJson = False,  # noqa: FBT002
    config: Config = None,
) -> None:
    """Continue a task in its own workspace, on its own branch.

    Without TEXT, the failed run is repeated; after a refused push, only the push.

    \b
    forgehand resume k7m2xq4p "and add tests"
    """
    from bot.app.cli import run

    settings = settings_of(config)
    raise typer.Exit(run.resume(settings, task, text, agent=agent, model=model, as_json=as_json))


@app.command()
def approve(task: TaskId, as_json: AsJson = False, config: Config = None) -> None:  # noqa: FBT002
    """Push a commit that awaits approval because it changes protected paths."""
    from bot.app.cli import run

    raise typer.Exit(run.approve(settings_of(config), task, as_json=as_json))


@app.command()
def cancel(task: TaskId, config: Config = None) -> None:
    """Stop any task. Its workspace is kept."""
    from bot.app.cli import tasks

    typer.echo(tasks.cancel(settings_of(config), task))


@app.command()
def tasks(
    limit: Annotated[int, typer.Option(min=1, help="How many of the newest.")] = 20,
    as_json: AsJson = False,  # noqa: FBT002
    config: Config = None,
) -> None:
    """List tasks, newest first."""
    from bot.app.cli import tasks

    tasks.tasks(settings_of(config), limit, as_json=as_json)


@app.command()
def costs(
    repository: Annotated[
        str,
        typer.Option(help="Show the tasks of this repository: owner/name, or the URL.", show_default=False),
    ] = "",
    task: Annotated[
        str, typer.Option(help="Show the runs of this task, and the source of each cost.", show_default=False)
    ] = "",
    since: Annotated[
        str, typer.Option(help="Only tasks that used models in this time, such as 7d; whole days of UTC.")
    ] = "30d",
    as_json: AsJson = False,  # noqa: FBT002
    config: Config = None,
) -> None:
    """Show the use of models by agents: requests, tokens, US dollars, and the use of today's budgets.

    The gateway counts tokens, also those of killed runs. Costs come from the
    prices in \\[models], or else from the agent's own report. "at least" means
    that the cost of some runs is not fully known.

    \b
    forgehand costs --since 7d                  # each repository
    forgehand costs --repository acme/anvil     # each of its tasks
    forgehand costs --task k7m2xq4p             # each run of a task
    """
    from bot.app.cli import costs

    query = costs.parse_query(since, repository=repository, task=task)
    costs.costs(settings_of(config), query, as_json=as_json)


@app.command()
def logs(
    task: TaskId,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Continue until the run ends.")] = False,  # noqa: FBT002
    raw: Annotated[bool, typer.Option("--raw", help="Print every line as the agent printed it.")] = False,  # noqa: FBT002
    config: Config = None,
) -> None:
    """Print the log of a task's newest run."""
    from bot.app.cli import tasks

    tasks.logs(settings_of(config), task, follow=follow, raw=raw)


@app.command()
def playground(
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any free port.")] = 0,
    data: Annotated[Path, typer.Option(help="Folder for its repositories and its state.")] = Path(
        "playground"
    ),
    as_json: AsJson = False,  # noqa: FBT002
) -> None:
    """Start a local forge to try the bot with. Prints its addresses, tokens and webhook secret."""
    from bot.playground.app import serve as serve_playground

    try:
        serve_playground(data, port, announce=lambda about: _about(about, as_json=as_json))
    except OSError as error:  # only from the start: errors of requests are answers
        raise BadSettings(f"The playground cannot start: {error}. Choose another --port or --data.") from None


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(__version__)


def main() -> None:
    """Run one command. A BotError becomes one sentence and exit status 1."""
    # Also of the programs that it starts.
    resource.setrlimit(resource.RLIMIT_CORE, (NO_CORE_DUMPS, NO_CORE_DUMPS))
    try:
        app(prog_name="forgehand")
    except BotError as error:
        say(str(error))
        sys.exit(1)


def _about(about: dict[str, Any], *, as_json: bool) -> None:
    lines = [json.dumps(about)] if as_json else [f"{key}: {value}" for key, value in about.items()]
    typer.echo("\n".join(lines))
    sys.stdout.flush()
