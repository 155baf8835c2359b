"""How people write things: the name of a thread or a change on each forge, and commands to us."""

import re

from bot.domain.task import Task
from bot.domain.thread import Kind, Thread

# What a forge takes for itself where it stands at the start of a line: GitLab's quick actions.
_TAKEN = {"gitlab": frozenset({"/approve"})}


def reference(thread: Thread) -> str:
    """The name of a thread within its repository."""
    return _reference(thread.forge, thread.kind, thread.number)


def change_reference(task: Task) -> str:
    """The name of the change the bot opened; "" if it opened none."""
    if task.change_number is None:
        return ""
    return _reference(task.thread.forge, Kind.CHANGE, task.change_number)


def _reference(forge: str, kind: Kind, number: int) -> str:
    # GitLab numbers its changes apart from its issues.
    return f"!{number}" if forge == "gitlab" and kind is Kind.CHANGE else f"#{number}"


def spelled(command: str, forge: str) -> str:
    """`/word ...` as it has to be written on this forge for the bot to hear it."""
    word = command.partition(" ")[0]
    return f"/forgehand {command.removeprefix('/')}" if word in _TAKEN.get(forge, ()) else command


def next_command(said: str, task: Task, *, newest: bool) -> str:
    """`said`, as it has to be written for this task and on its forge.

    Where the task is not the `newest` of its thread it is named, and so is the commit an approval is for.
    """
    word, _, text = said.partition(" ")
    if word == "/approve":
        text = task.checked_head[:12]
    whole = " ".join(part for part in (word, "" if newest else f"--task {task.id}", text) if part)
    return spelled(whole, task.thread.forge)


def by_operator(words: str, task_id: str) -> str:
    """Words of a comment, with the commands in them as the operator gives them."""
    return re.sub(r"`/(?:forgehand )?(resume|cancel|approve)\b", rf"`forgehand \1 {task_id}", words)
