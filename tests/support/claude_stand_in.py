"""A stand-in for Claude Code: a shell script that prints recorded output of the real program."""

import shlex
from pathlib import Path
from typing import Any

from bot.agents.claude import Claude

SESSION = "00000000-0000-4000-8000-000000000001"
_STREAMS = Path(__file__).parents[1] / "agents" / "streams"
# The real program stores its conversation under this name.
KEEPS_SESSION = (
    f"mkdir -p ~/.claude/projects/-workspace; echo hello >> ~/.claude/projects/-workspace/{SESSION}.jsonl"
)


def recorded(name: str) -> list[bytes]:
    """Return the lines of a stream that version 2.1.330 printed."""
    return (_STREAMS / f"claude-{name}.jsonl").read_bytes().splitlines()


def printing(lines: list[bytes]) -> str:
    """Return a command that prints these lines."""
    return "printf '%s\\n' " + " ".join(shlex.quote(line.decode()) for line in lines)


def stand_in(script: str, **changed: Any) -> Claude:
    """Return the agent with this script as its program. The program's options are the script's arguments."""
    return Claude(["sh", "-ec", script, "claude"], **changed)
