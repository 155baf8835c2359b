"""Names of our containers: made here, and read here.

The agent's container has no epoch in its name, so that the next worker finds it.
A helper container has one: a worker cannot mistake a stale helper for its own.
"""

import re
import secrets
from dataclasses import dataclass

_PREFIX = "forgehand-"
# A task's id has no dash, so a run's id ends after the first number.
_OF_RUN = re.compile(rf"{_PREFIX}(?P<run>[a-z0-9]+-\d+)(?:-(?P<epoch>\d+)-(?P<purpose>[a-z]+))?")

_OF_PROCESS = re.compile(rf"{_PREFIX}([0-9a-f]+)-asked")


@dataclass(frozen=True, slots=True)
class RunContainer:
    """Parts of the name of a container of a run. The agent's has no epoch and no purpose."""

    run: str  # <task>-<number>
    epoch: int | None = None
    purpose: str = ""  # of a helper, in lower-case letters: prepare, export, size, rescue


def make(container: RunContainer) -> str:
    """Return the name of a container of a run."""
    helper = f"-{container.epoch}-{container.purpose}" if container.epoch is not None else ""
    return f"{_PREFIX}{container.run}{helper}"


def parse(name: str) -> RunContainer | None:
    """Return the parts of a name; None if the container does not belong to one run."""
    match = _OF_RUN.fullmatch(name)
    if match is None:
        return None
    if match["epoch"] is None:
        return RunContainer(match["run"])
    return RunContainer(match["run"], int(match["epoch"]), match["purpose"])


def is_of_task(name: str, task: str) -> bool:
    """Report whether a container belongs to a run of this task."""
    return name.startswith(f"{_PREFIX}{task}-")


def removal(folder: str) -> str:
    """Return the name of the container that empties a folder that was set aside."""
    return f"{_PREFIX}{folder}"


def measurement(folder: str) -> str:
    """Return a new name for a container that measures the folder of a workspace for the operator."""
    return f"{_PREFIX}{folder}.size-{secrets.token_hex(4)}"


def process_of(name: str) -> str:
    """Return the process that looks into an image in the container of this name; "" for other names."""
    match = _OF_PROCESS.fullmatch(name)
    return match[1] if match else ""


def image_check(process: str) -> str:
    """Return the name of the container in which a process looks into the agents' image."""
    return f"{_PREFIX}{process}-asked"
