"""Output of the operator's commands: results to stdout, as a table or as JSON; everything else to stderr."""

import json
import shutil
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from rich.console import JustifyMethod
    from rich.text import Text

Row = dict[str, Any]

_ELASTIC = {"title", "budget"}  # columns that may be cut
_NUMBERS = {
    "tasks",
    "runs",
    "requests",
    "in",
    "cache_write",
    "cache_read",
    "cached",
    "out",
    "tokens",
    "usd",
    "size",
}
_ENDS = {"thread", "repository", "folder"}  # columns whose ends say more than their beginnings
_ROOM = 22  # characters of these that are always shown
_COLOURED = {"state", "outcome"}  # columns
_COLOURS = {
    "green": "pushed, no changes, succeeded",
    "cyan": "running, queued",
    "yellow": "question, held, waiting",
    "dim": "cancelled, removed",
}
_STYLES = {word: colour for colour, words in _COLOURS.items() for word in words.split(", ")}


def say(text: str) -> None:
    """Print a sentence on the progress or the failure of the command to stderr."""
    typer.echo(f"forgehand: {text}", err=True)


def show(rows: Sequence[Row], *, as_json: bool, none: str = "None.") -> None:
    """Print a table, or JSON: a list of objects. `none` is said if there are no rows.

    On a terminal that is too narrow, titles and names are cut, and other columns keep their width.
    """
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    if not rows:
        typer.echo(none, err=True)
        return
    from rich.console import Console
    from rich.table import Table

    from bot.text.invisible import visible

    width = None if sys.stdout.isatty() else 1000  # no line breaks in a pipe
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in rows[0]:
        side: JustifyMethod = "right" if name in _NUMBERS else "left"
        table.add_column(name.replace("_", " ").upper(), justify=side, no_wrap=name not in _ELASTIC)
    for row in rows:
        table.add_row(*(_cell(name, visible(str(value)).replace("\n", " ")) for name, value in row.items()))
    Console(width=width, highlight=False, markup=False).print(table)


def _cell(name: str, text: str) -> "Text":
    from rich.text import Text

    if name in _ENDS and sys.stdout.isatty():
        room = max(_ROOM, shutil.get_terminal_size().columns // 4)
        text = text if len(text) <= room else f"…{text[1 - room :]}"
    style = _STYLES.get(text, "red") if name in _COLOURED else ""
    return Text(text, style, no_wrap=True, overflow="ellipsis")
