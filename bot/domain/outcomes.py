"""The outcomes of a run: for each its sentence for people, the new state, and the next command."""

from dataclasses import dataclass
from enum import StrEnum

from bot.domain.lifecycle import State


class Outcome(StrEnum):
    PUSHED = "pushed"
    NO_CHANGES = "no_changes"
    QUESTION = "question"
    HELD = "held"
    CANCELLED = "cancelled"
    PREPARE_FAILED = "prepare_failed"
    AGENT_FAILED = "agent_failed"
    TIMED_OUT = "timed_out"
    IDLE = "idle"
    OUT_OF_MEMORY = "out_of_memory"
    DISK_FULL = "disk_full"
    OUTPUT_LIMIT = "output_limit"
    RATE_LIMITED = "rate_limited"
    OVER_BUDGET = "over_budget"
    EXPORT_REFUSED = "export_refused"
    PUSH_REJECTED = "push_rejected"
    CHANGE_ENDED = "change_ended"
    REMOTE_MISSING = "remote_missing"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class Ending:
    """The meaning of an outcome: the task's new state, a sentence for people, and their next command."""

    state: State
    sentence: str
    next: str
    also: str = ""  # another command that helps here


ENDINGS: dict[Outcome, Ending] = {
    Outcome.PUSHED: Ending(State.SUCCEEDED, "Pushed.", "/resume <what to do next>"),
    Outcome.NO_CHANGES: Ending(
        State.SUCCEEDED, "The agent ended without changing anything.", "/resume <what to do instead>"
    ),
    Outcome.QUESTION: Ending(State.WAITING, "The agent has a question.", "/resume <your answer>", "/diff"),
    Outcome.HELD: Ending(
        State.WAITING,
        "The change touches protected paths; a person must approve it.",
        "/approve",
        "/diff",
    ),
    Outcome.CANCELLED: Ending(State.CANCELLED, "Cancelled.", "/resume", "/diff"),
    Outcome.PREPARE_FAILED: Ending(State.FAILED, "The workspace could not be prepared.", "/resume", "/retry"),
    Outcome.AGENT_FAILED: Ending(
        State.FAILED, "The agent failed.", "/resume <what to do differently>", "/diff"
    ),
    Outcome.TIMED_OUT: Ending(State.FAILED, "The agent ran out of time.", "/resume", "/diff"),
    Outcome.IDLE: Ending(State.FAILED, "The agent went silent.", "/resume", "/diff"),
    Outcome.OUT_OF_MEMORY: Ending(State.FAILED, "The agent ran out of memory.", "/resume", "/diff"),
    Outcome.DISK_FULL: Ending(
        State.FAILED, "There was not enough disk space.", "/resume <what to delete>", "/retry"
    ),
    Outcome.OUTPUT_LIMIT: Ending(
        State.FAILED, "The agent printed more than the log may hold.", "/resume", "/diff"
    ),
    Outcome.RATE_LIMITED: Ending(
        State.FAILED, "The model's provider accepts no more requests for now.", "/resume", "/diff"
    ),
    Outcome.OVER_BUDGET: Ending(State.FAILED, "The budget for models is used up.", "/resume", "/diff"),
    Outcome.EXPORT_REFUSED: Ending(
        State.FAILED,
        "The agent's work could not be exported from the workspace.",
        "/resume <what to undo>",
        "/retry",
    ),
    Outcome.PUSH_REJECTED: Ending(State.FAILED, "The remote refused the push.", "/resume", "/diff"),
    Outcome.CHANGE_ENDED: Ending(
        State.FAILED, "The change was merged or closed before the push.", "/resume", "/diff"
    ),
    Outcome.REMOTE_MISSING: Ending(State.FAILED, "The remote repository does not exist.", "/resume"),
    Outcome.LOST: Ending(
        State.FAILED, "The run was lost with its worker or its container.", "/resume", "/retry"
    ),
}


@dataclass(frozen=True, slots=True)
class RunVerdict:
    """The end of a run, of its agent or of one phase. Without an outcome, the run continues."""

    outcome: Outcome | None = None
    reason: str = ""  # one or two sentences for people
    next_command: str = ""  # replaces the outcome's own, if that would not help
    summary: str = ""  # the agent's last message
    exit_status: int | None = None  # the agent's; None if it was stopped, or if its container is gone

    @property
    def may_continue(self) -> bool:
        """Report whether the next phase may follow; after the last phase, the outcome is `pushed`."""
        return self.outcome is None
