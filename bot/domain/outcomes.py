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
    mark: str = "❌"  # a sign to see it at a glance


ENDINGS: dict[Outcome, Ending] = {
    Outcome.PUSHED: Ending(
        State.SUCCEEDED,
        "Pushed.",
        "/resume <what to do next>",
        mark="✅",
    ),
    Outcome.NO_CHANGES: Ending(
        State.SUCCEEDED,
        "Nothing to change: the agent left the repository as it is.",
        "/resume <what to do instead>",
        mark="🟰",
    ),
    Outcome.QUESTION: Ending(
        State.WAITING,
        "The agent needs an answer before it can go on.",
        "/resume <your answer>",
        also="/diff",
        mark="❓",
    ),
    Outcome.HELD: Ending(
        State.WAITING,
        "Approval needed: the change touches protected paths.",
        "/approve",
        also="/resume <what to do instead>",
        mark="✋",
    ),
    Outcome.CANCELLED: Ending(
        State.CANCELLED,
        "Cancelled.",
        "/resume",
        also="/diff",
        mark="⏹️",
    ),
    Outcome.PREPARE_FAILED: Ending(
        State.FAILED,
        "The workspace could not be prepared.",
        "/resume",
        also="/retry",
    ),
    Outcome.AGENT_FAILED: Ending(
        State.FAILED,
        "The agent failed.",
        "/resume <what to do differently>",
        also="/diff",
    ),
    Outcome.TIMED_OUT: Ending(
        State.FAILED,
        "Stopped: the agent ran out of time.",
        "/resume",
        also="/diff",
        mark="⏱️",
    ),
    Outcome.IDLE: Ending(
        State.FAILED,
        "Stopped: the agent went silent.",
        "/resume",
        also="/diff",
        mark="🤐",
    ),
    Outcome.OUT_OF_MEMORY: Ending(
        State.FAILED,
        "The agent ran out of memory.",
        "/resume",
        also="/diff",
        mark="🧠",
    ),
    Outcome.DISK_FULL: Ending(
        State.FAILED,
        "There was not enough disk space.",
        "/resume <what to delete>",
        also="/retry",
        mark="💾",
    ),
    Outcome.OUTPUT_LIMIT: Ending(
        State.FAILED,
        "Stopped: the agent printed more than the log may hold.",
        "/resume",
        also="/diff",
        mark="📜",
    ),
    Outcome.RATE_LIMITED: Ending(
        State.FAILED,
        "The model's provider accepts no more requests for now.",
        "/resume",
        also="/diff",
        mark="⏳",
    ),
    Outcome.OVER_BUDGET: Ending(
        State.FAILED,
        "Stopped: the budget for models is used up.",
        "/resume",
        also="/diff",
        mark="💸",
    ),
    Outcome.EXPORT_REFUSED: Ending(
        State.FAILED,
        "The agent's work could not be exported from the workspace.",
        "/resume <what to undo>",
        also="/retry",
        mark="🛑",
    ),
    Outcome.PUSH_REJECTED: Ending(
        State.FAILED,
        "The remote refused the push.",
        "/resume",
        also="/diff",
        mark="🚫",
    ),
    Outcome.CHANGE_ENDED: Ending(
        State.FAILED,
        "The change was merged or closed before the push.",
        "/resume",
        also="/diff",
        mark="🔀",
    ),
    Outcome.REMOTE_MISSING: Ending(
        State.FAILED,
        "The remote repository does not exist.",
        "/resume",
    ),
    Outcome.LOST: Ending(
        State.FAILED,
        "The run was lost with its worker or its container.",
        "/resume",
        also="/retry",
        mark="🔌",
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
