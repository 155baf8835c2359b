"""`forgehand diff`: the patch that `/diff` shows, coloured on a terminal."""

import sys

import typer

from bot.app.cli.ledger_access import existing_ledger
from bot.app.cli.output import say
from bot.app.settings.settings import Settings
from bot.domain.errors import NotPossible
from bot.domain.lifecycle import ENDED
from bot.store import patches, runs, tasks
from bot.text.patch_view import whole
from bot.text.units import human

_COLOURS = {"+": "green", "-": "red", "@": "cyan"}
_HEADERS = ("diff --git ", "index ", "--- ", "+++ ", "new file ", "deleted file ", "similarity ", "rename ")


def show(settings: Settings, task_id: str) -> None:
    """Print the newest patch of the task, and a remark on stderr if it is not whole. Raises NotPossible."""
    with existing_ledger(settings.ledger_place) as ledger, ledger.read() as tx:
        task = tasks.named(tx, task_id)
        run = runs.newest(tx, task.id)
        patch = patches.newest(tx, task.id)
    if patch is None:
        raise NotPossible(f"Task {task.id} has no changes to show: {_why(run.state in ENDED)}")
    if patch.number < run.number:
        say(f"this is the patch of run {patch.number}: {_why(run.state in ENDED)}")
    if not patch.text:
        say(f"after run {patch.number}, task {task.id} has no changes")
    if not patch.is_whole:
        say(f"only the first {human(len(patch.text))} of {human(patch.size)} are kept")
    is_coloured = sys.stdout.isatty()
    for line in whole(patch.text, settings.secrets).splitlines():
        typer.echo(_coloured(line) if is_coloured else line)


def _why(ended: bool) -> str:  # noqa: FBT001 - private, and the name says it
    if ended:
        return "the work of its newest run was not exported from the workspace."
    return "its newest run has not ended."


def _coloured(line: str) -> str:
    if line.startswith(_HEADERS):
        return typer.style(line, bold=True)
    colour = _COLOURS.get(line[:1])
    return typer.style(line, fg=colour) if colour else line
