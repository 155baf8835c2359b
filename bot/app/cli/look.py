"""Commands that only read: they create nothing, and work beside a running bot, or without one.

As in bot/app/cli/main.py, each command imports what it needs when it is called.
"""

from typing import Annotated

import typer

from bot.app.cli.help import LOOK, command, commands, number
from bot.app.cli.options import AsJson, Config, TaskId, settings_of
from bot.domain.lifecycle import State

app = commands("")


def _state(text: str) -> State:
    if text.lower() not in list(State):
        raise typer.BadParameter(f"there is no state {text!r}; states: {', '.join(State)}.")
    return State(text.lower())


def _states(incomplete: str) -> list[str]:
    return [state for state in State if state.startswith(incomplete)]


Run = Annotated[
    int,
    typer.Option(
        metavar="N",
        parser=number(1, 10**6),
        help="Number of the run (default: the newest).",
        show_default=False,
    ),
]
Follow = Annotated[bool, typer.Option("--follow", "-f", help="Keep following until the run ends.")]
Raw = Annotated[bool, typer.Option("--raw", help="Print every line as the agent printed it.")]
Repository = Annotated[
    str,
    typer.Option(
        metavar="REPOSITORY", help="Only of this repository: owner/name, or the URL.", show_default=False
    ),
]
Since = Annotated[
    str,
    typer.Option(
        metavar="TIME", help="Only those asked for in this time, e.g. 12h or 7d.", show_default=False
    ),
]


@command(app, LOOK)
def tasks(
    state: Annotated[
        list[State] | None,
        typer.Option(
            metavar="STATE",
            parser=_state,
            autocompletion=_states,
            help=f"Only in this state: {', '.join(State)}.",
            show_default=False,
        ),
    ] = None,
    repository: Repository = "",
    person: Annotated[
        str, typer.Option(metavar="NAME", help="Only those that this person asked for.", show_default=False)
    ] = "",
    since: Annotated[
        str,
        typer.Option(
            metavar="TIME", help="Only those asked for in this time, e.g. 12h or 7d.", show_default=False
        ),
    ] = "",
    limit: Annotated[
        int, typer.Option(metavar="N", parser=number(1, 10**6), help="How many of the newest.")
    ] = 20,
    as_json: AsJson = False,  # noqa: FBT002 - Typer makes flags of these
    config: Config = None,
) -> None:
    """List tasks, newest first.

    Examples:
      forgehand tasks --state failed --since 7d
      forgehand tasks --repository acme/anvil --person ann
    """
    from bot.app.cli import task_list

    query = task_list.ListQuery(
        states=state or (),
        repository=repository,
        person=person,
        since=task_list.seconds(since),
        limit=limit,
    )
    task_list.tasks(config, query, as_json=as_json)


@command(app, LOOK)
def show(task: TaskId, as_json: AsJson = False, config: Config = None) -> None:  # noqa: FBT002
    """Show a task: its state, its runs, its page, and what you can do next.

    Example:
      forgehand show k7m2xq4p
    """
    from bot.app.cli import task_report

    task_report.show(settings_of(config), task, as_json=as_json)


@command(app, LOOK)
def logs(
    task: TaskId,
    run: Run = 0,
    follow: Follow = False,  # noqa: FBT002
    raw: Raw = False,  # noqa: FBT002
    config: Config = None,
) -> None:
    """Print the log of a run.

    Examples:
      forgehand logs k7m2xq4p -f
      forgehand logs k7m2xq4p --run 1
    """
    from bot.app.cli import tasks

    tasks.logs(settings_of(config), task, number=run, follow=follow, raw=raw)


@command(app, LOOK)
def diff(task: TaskId, config: Config = None) -> None:
    """Print what a task has changed, pushed or not: the patch of its last run that ended.

    Example:
      forgehand diff k7m2xq4p
    """
    from bot.app.cli import task_patch

    task_patch.show(settings_of(config), task)


@command(app, LOOK, name="open")
def open_page(
    task: TaskId,
    print_only: Annotated[bool, typer.Option("--print", help="Print the address only.")] = False,  # noqa: FBT002
    config: Config = None,
) -> None:
    """Open the page of a task in the browser, and print its address.

    Anyone with the address can read the log.

    Example:
      forgehand open k7m2xq4p
    """
    from bot.app.cli import task_report

    task_report.open_page(settings_of(config), task, print_only=print_only)


@command(app, LOOK)
def costs(
    repository: Annotated[
        str,
        typer.Option(
            metavar="REPOSITORY",
            help="Each task of this repository: owner/name, or the URL.",
            show_default=False,
        ),
    ] = "",
    task: Annotated[
        str,
        typer.Option(
            metavar="TASK", help="Each run of this task, and the source of each cost.", show_default=False
        ),
    ] = "",
    since: Annotated[
        str,
        typer.Option(metavar="TIME", help="Only tasks that used models in this time; whole days of UTC."),
    ] = "30d",
    as_json: AsJson = False,  # noqa: FBT002
    config: Config = None,
) -> None:
    """Show the use of models: requests, tokens, US dollars, and today's budgets.

    The gateway counts tokens, also those of killed runs. Costs come from the
    prices in \\[models], or else from the agent's own report. "at least" means
    that the cost of some runs is not fully known.

    Examples:
      forgehand costs --since 7d                  # each repository
      forgehand costs --repository acme/anvil     # each of its tasks
      forgehand costs --task k7m2xq4p             # each run of a task
    """
    from bot.app.cli import costs

    query = costs.parse_query(since, repository=repository, task=task)
    costs.costs(settings_of(config), query, as_json=as_json)
