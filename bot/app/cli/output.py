"""Output of the operator's commands: results to stdout, as a table or as JSON; everything else to stderr."""

import json
import sys
from collections.abc import Sequence
from typing import Any

import typer

Row = dict[str, Any]


def say(text: str) -> None:
    """Print a sentence on the progress or the failure of the command to stderr."""
    typer.echo(f"forgehand: {text}", err=True)


def show(rows: Sequence[Row], *, as_json: bool) -> None:
    """Print a table, or JSON: a list of objects."""
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    if not rows:
        typer.echo("None.", err=True)
        return
    from rich.console import Console
    from rich.table import Table

    from bot.text.invisible import visible

    table = Table(box=None, pad_edge=False)
    for name in rows[0]:
        table.add_column(name.replace("_", " ").upper(), overflow="fold")
    for row in rows:
        table.add_row(*(visible(str(value)) for value in row.values()))  # strangers choose titles
    width = None if sys.stdout.isatty() else 1000  # no line breaks in a pipe
    Console(width=width, highlight=False, markup=False).print(table)
