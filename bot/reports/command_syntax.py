"""Syntax of references and commands: on the threads of each forge, and in the operator's shell."""

import re

from bot.domain.task import Task
from bot.domain.thread import Kind, Thread
from bot.forges.registry import FORGES


def reference(thread: Thread) -> str:
    """Return the name of a thread within its repository."""
    return _reference(thread.forge, thread.kind, thread.number)


def change_word(forge: str) -> str:
    """Return the forge's word for a change."""
    return FORGES[forge].change_word if forge in FORGES else "change"


def change_reference(task: Task) -> str:
    """Return the name of the change that the bot opened; "" if it opened none."""
    if task.change_number is None:
        return ""
    return reference_of_change(task.thread, task.change_number)


def reference_of_change(thread: Thread, number: int) -> str:
    """Return the name of the change with this number in the thread's repository."""
    return _reference(thread.forge, Kind.CHANGE, number)


def _reference(forge: str, kind: Kind, number: int) -> str:
    sign = FORGES[forge].change_sign if forge in FORGES and kind is Kind.CHANGE else "#"
    return f"{sign}{number}"


def for_forge(command: str, forge: str) -> str:
    """Write a command `/word ...` so that it reaches the bot on this forge."""
    word = command.partition(" ")[0]
    is_reserved = forge in FORGES and word in FORGES[forge].reserved_commands
    return f"/forgehand {command.removeprefix('/')}" if is_reserved else command


def next_command(command: str, task: Task, *, newest: bool) -> str:
    """Write a command to this task as its thread needs it.

    The task is named unless it is the `newest` of its thread. An approval names its commit.
    """
    word, _, text = command.partition(" ")
    if word == "/approve":
        text = task.checked_head[:12]
    whole = " ".join(part for part in (word, "" if newest else f"--task {task.id}", text) if part)
    return for_forge(whole, task.thread.forge)


def shell_command(command: str, task_id: str) -> str:
    """Convert a command `/word ...` to this task for the operator's shell; its text is quoted."""
    word, _, text = command.removeprefix("/").partition(" ")
    return f"forgehand {word} {task_id}" + (f' "{text}"' if text else "")


def with_shell_commands(text: str, task_id: str) -> str:
    """Replace the commands in a sentence that was written for a thread by those of the operator's shell."""
    return re.sub(r"`/(?:forgehand )?(resume|cancel|approve)\b", rf"`forgehand \1 {task_id}", text)
