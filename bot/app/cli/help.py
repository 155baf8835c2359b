"""The look of `--help`: commands in groups, the most used first, and names of values instead of types."""

from collections.abc import Callable
from typing import Any

import typer
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

RUN, LOOK, OPERATE = "Run", "Look", "Operate"  # titles of the groups, in this order

CONTEXT = {"help_option_names": ["--help", "-h"]}


def commands(about: str) -> typer.Typer:
    """Return an app for commands; `about` is its help, in Rich's markup."""
    return typer.Typer(
        cls=HelpfulGroup,
        context_settings=CONTEXT,
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
        help=about,
    )


def command(app: typer.Typer, group: str | None = None, *, name: str | None = None) -> Callable[[Any], Any]:
    """Return a decorator that makes a function a command of the app; `group` is its title in the help."""
    return app.command(name, cls=HelpfulCommand, context_settings=CONTEXT, rich_help_panel=group)


class HelpfulCommand(TyperCommand):
    """A command whose flags are listed without a type: `--json  Print JSON`, not `--json <bool>`."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Return all parameters, also the help option."""
        return _without_types(super().get_params(ctx))


class HelpfulGroup(TyperGroup):
    """A group of commands that prints its help, and succeeds, if no command is given."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Return all parameters, also the help option."""
        return _without_types(super().get_params(ctx))

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the arguments; without any, print the help and exit with status 0."""
        if not args and not ctx.resilient_parsing:
            ctx.get_help()  # prints, because its colours depend on the terminal
            ctx.exit(0)
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names of the commands by group, and in each group in the order of their definition."""
        groups = {title: place for place, title in enumerate((RUN, LOOK, OPERATE))}
        titles = {name: getattr(each, "rich_help_panel", None) for name, each in self.commands.items()}
        return sorted(titles, key=lambda name: groups.get(str(titles[name]), 0))


class _PlainArgument(TyperArgument):
    """An argument that the help shows by its name alone: `TASK`, not `{TASK}` and `<str>`."""

    def display_type_rich(self, ctx: Any) -> str | None:
        """Return no type."""
        return None

    def get_usage_pieces(self, ctx: Any) -> list[str]:
        """Return the name for the usage line, in brackets if it may be left out."""
        return [self.display_name_raw if self.required else f"[{self.display_name_raw}]"]


def _without_types(parameters: list[Any]) -> list[Any]:
    for each in parameters:
        if isinstance(each, TyperOption) and each.metavar is None and (each.is_flag or each.name == "help"):
            each.metavar = ""
        elif type(each) is TyperArgument:
            each.__class__ = _PlainArgument  # Typer has no parameter for another class
    return parameters


def number(least: int, most: int) -> Any:
    """Return a parser of whole numbers in this range, for an option whose help names no range."""

    def parse(text: str | int) -> int:
        if isinstance(text, int):  # a default value
            return text
        value = int(text) if text.isdecimal() and text.isascii() and len(text) < 19 else -1
        if not least <= value <= most:
            raise typer.BadParameter(f"must be a number from {least:,} to {most:,}, not {text!r}.")
        return value

    return parse
