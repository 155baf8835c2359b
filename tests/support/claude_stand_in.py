"""A stand-in for Claude Code: a shell script that prints what the real one was recorded printing."""

import shlex
from pathlib import Path
from typing import Any

from bot.agents.claude import Claude

SESSION = "00000000-0000-4000-8000-000000000001"
_STREAMS = Path(__file__).parents[1] / "agents" / "streams"
# The real one keeps its conversation under this name.
KEEPS_SESSION = (
    f"mkdir -p ~/.claude/projects/-workspace; echo said >> ~/.claude/projects/-workspace/{SESSION}.jsonl"
)


def recorded(name: str) -> list[bytes]:
    """The lines of a stream that version 2.1.330 printed."""
    return (_STREAMS / f"claude-{name}.jsonl").read_bytes().splitlines()


def printing(lines: list[bytes]) -> str:
    """A command that prints these lines."""
    return "printf '%s\\n' " + " ".join(shlex.quote(line.decode()) for line in lines)


def stand_in(script: str, **changed: Any) -> Claude:
    """The agent, whose program is this script; its options are the script's arguments."""
    return Claude(["sh", "-ec", script, "claude"], **changed)
