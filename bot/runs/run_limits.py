"""The limits of one run, of which most differ by repository."""

from dataclasses import dataclass

from bot.sandbox.engine.containers import ContainerLimits


@dataclass(frozen=True, slots=True)
class RunLimits:
    """The limits of one run's agent: those of its container, and how many seconds it may print nothing."""

    container: ContainerLimits
    idle: int
