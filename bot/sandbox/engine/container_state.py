"""The condition of a container, as far as the engine's report of it is reliable."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bot.sandbox.engine import podman

KILLED = 137  # exit status of a process ended by SIGKILL


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """The condition of a container. `exit_status` is None while it runs, and if it never started."""

    running: bool
    exit_status: int | None
    out_of_memory: bool

    @property
    def was_started(self) -> bool:
        """Report whether the container runs or has run."""
        return self.running or self.exit_status is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnContainer:
    """A container of this instance, running or not."""

    name: str
    labels: Mapping[str, str]


def condition_of(state: Mapping[str, Any], info: Mapping[str, Any]) -> Condition:
    """Read the condition from the State of `docker inspect` and from `docker info` of the same engine."""
    marked = state["OOMKilled"] or podman.marks_no_oom(info)
    over = not state["Running"] and not state["StartedAt"].startswith("0001")  # year one: never
    return Condition(
        running=bool(state["Running"]),
        exit_status=state["ExitCode"] if over else None,
        # The engine also sets OOMKilled if only a child was killed and the agent continued; 137 is SIGKILL.
        out_of_memory=over and marked and state["ExitCode"] == KILLED,
    )
