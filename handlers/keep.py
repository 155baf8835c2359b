"""`/keep <days>`: keep the workspace of a task for a number of days instead of the default."""

import re

from bot.commands.router import Router
from bot.domain.command import Command
from bot.domain.errors import NotUnderstood
from bot.tasks.verbs import Tasks
from bot.text.units import moment

router = Router()

_MOST = 365  # days


@router.command(
    "keep",
    usage="/keep <days>",
    help=f"keeps the workspace of the newest task for this number of days, from 1 to {_MOST}",
    options=("task",),
)
def keep(command: Command, tasks: Tasks) -> str:
    """Set the day after which the workspace may be removed."""
    days = _days(command.text)
    task, until = tasks.keep(command, days)
    if until is None:
        counted = "1 day" if days == 1 else f"{days} days"
        return f"The workspace of task `{task.id}` will be kept for {counted} after its run has ended."
    return f"The workspace of task `{task.id}` is kept until {moment(until)}."


def _days(text: str) -> int:
    number = text.split(maxsplit=1)[0] if text else ""
    days = int(number) if re.fullmatch(r"[0-9]{1,3}", number) else 0
    if not 1 <= days <= _MOST:
        raise NotUnderstood(f"`/keep` takes a number of days from 1 to {_MOST}, such as `/keep 30`.")
    return days
