"""The states and phases of a task, and the transitions between states.

Nothing here imports a database, a forge or Docker, so every rule about states
can be tested without any of them.
"""

from enum import StrEnum

from bot.domain.errors import NotPossible


class State(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    WAITING = "waiting"  # for a person's answer or approval
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Phase(StrEnum):
    PREPARE = "prepare"
    AGENT = "agent"
    EXPORT = "export"
    PUSH = "push"
    REPORT = "report"


ENDED = frozenset({State.WAITING, State.SUCCEEDED, State.FAILED, State.CANCELLED})

NEXT: dict[State, frozenset[State]] = {
    State.QUEUED: frozenset({State.RUNNING, State.CANCELLED}),
    State.RUNNING: ENDED,
    **dict.fromkeys(ENDED, frozenset({State.QUEUED})),  # a resume, or an approval
}


def require_transition(task_id: str, state: State, target: State) -> None:
    """Raise NotPossible if `target` cannot follow `state`."""
    if target not in NEXT[state]:
        raise NotPossible(f"Task {task_id} is {state}; it cannot become {target}.")
