"""What the bot talks about: threads, tasks, runs, and what may follow what.

Pure values. Nothing here imports a database, a forge or Docker, so every rule
about states and outcomes can be tested without any of them.
"""

import secrets
from dataclasses import dataclass
from enum import StrEnum

from bot.errors import NotPossible


class Kind(StrEnum):
    """What a thread hangs on. GitLab numbers issues and changes in two series."""

    ISSUE = "issue"
    CHANGE = "change"
    CLI = "cli"  # no thread: an operator's `forgehand run`


class State(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    WAITING = "waiting"  # for a person: an answer, or an approval
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Phase(StrEnum):
    PREPARE = "prepare"
    AGENT = "agent"
    EXPORT = "export"
    PUSH = "push"
    REPORT = "report"


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
    REMOTE_MISSING = "remote_missing"
    LOST = "lost"


ENDED = frozenset({State.WAITING, State.SUCCEEDED, State.FAILED, State.CANCELLED})

NEXT: dict[State, frozenset[State]] = {
    State.QUEUED: frozenset({State.RUNNING, State.CANCELLED}),
    State.RUNNING: ENDED,
    **dict.fromkeys(ENDED, frozenset({State.QUEUED})),  # a resume, or an approval
}


@dataclass(frozen=True, slots=True)
class Ending:
    """What an outcome means: the task's state, one sentence, and what to say next."""

    state: State
    says: str
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
        "The change touches paths that give power; a person must approve it.",
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
        State.FAILED, "The agent ran out of disk space.", "/resume <what to delete>", "/retry"
    ),
    Outcome.OUTPUT_LIMIT: Ending(
        State.FAILED, "The agent printed more than the log may hold.", "/resume", "/diff"
    ),
    Outcome.RATE_LIMITED: Ending(
        State.FAILED, "The model's provider takes no more requests for now.", "/resume", "/diff"
    ),
    Outcome.OVER_BUDGET: Ending(State.FAILED, "The budget for models is used up.", "/resume", "/diff"),
    Outcome.EXPORT_REFUSED: Ending(
        State.FAILED,
        "What the agent left could not be taken out of the workspace.",
        "/resume <what to undo>",
        "/retry",
    ),
    Outcome.PUSH_REJECTED: Ending(State.FAILED, "The remote refused the push.", "/resume", "/diff"),
    Outcome.REMOTE_MISSING: Ending(State.FAILED, "The remote repository is not there.", "/resume"),
    Outcome.LOST: Ending(
        State.FAILED, "The run was lost with its worker or its container.", "/resume", "/retry"
    ),
}


def to(task_id: str, state: State, wanted: State) -> State:
    """Return `wanted`, or raise NotPossible if it cannot follow `state`."""
    if wanted not in NEXT[state]:
        raise NotPossible(f"Task {task_id} is {state}; it cannot become {wanted}.")
    return wanted


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who did something on a forge. `bot` is the forge's own word for it."""

    id: int
    login: str
    bot: bool = False


@dataclass(frozen=True, slots=True)
class Identity:
    """Author and committer of what the bot pushes."""

    name: str
    email: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Thread:
    """Where people talk to the bot. `forge` is "github", "gitlab", or "" for the operator's own word."""

    forge: str
    repository_id: int
    repository_url: str  # canonical, see bot/urls.py
    path: str  # owner/name as the forge spelled it last
    kind: Kind
    number: int
    title: str = ""
    confidential: bool = False  # only members can read it

    @property
    def key(self) -> str:
        """Identity that a rename of the repository does not change."""
        return f"{self.forge}:{self.repository_id}:{self.kind}:{self.number}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Spot:
    """Where on its thread something was said; the answer goes to the same place."""

    comment_id: int | None = None  # None: no comment that could take a reaction
    discussion: str = ""  # the forge's id of a discussion on the diff; "" = the thread itself
    internal: bool = False  # only members can read it, and only they may read the answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Something others wrote, which the agent is shown as information."""

    what: str  # heading
    text: str
    author: str = ""  # login; "" = unknown
    at: str = ""  # time, ISO 8601; "" = unknown
    left_out: int = 0  # characters cut off at its end


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What was asked on one thread of one repository."""

    id: str
    thread: Thread
    thread_key: str
    state: State
    agent: str
    model: str = ""  # "" = the agent's usual one
    change: str  # what to open: draft | ready | link | none
    base: str = ""  # branch the work is for; "" = the default branch, settled by the first prepare
    branch: str
    base_head: str = ""  # commit the work started from; "" before the first prepare
    pinned: str = ""  # head a change had when the command was answered; "" on issues
    fork: bool = False  # the change comes from another repository, to which nothing is ever pushed
    checked_head: str = ""  # id the last passed export ended in; "" before one
    pushed_head: str = ""  # id last pushed or found on the branch; "" before a push
    approved_head: str = ""  # id a person approved last
    change_number: int | None = None
    change_url: str = ""
    keep_days: int | None = None  # a person's word on how long the workspace is kept; None: the usual
    created_at: float = 0.0  # seconds since the epoch, the ledger's clock

    @property
    def here(self) -> bool:
        """Is what is made pushed to the branch it began on, a change's own?"""
        return self.branch == self.base


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One attempt at a task."""

    id: str  # <task>-<number>
    task: str
    number: int
    thread_key: str
    repository_url: str
    state: State
    phase: Phase
    first_phase: Phase
    request: str
    context: tuple[Part, ...]  # untrusted, as the command's own delivery carried it
    spot: Spot = Spot()
    cause: str
    agent: str = ""  # who works on it: a later run of the task may be another's
    asked_by: Actor
    host: str = ""  # "" = any host may claim it
    wall_limit: int  # seconds
    epoch: int = 0
    cancel_asked: bool = False
    outcome: Outcome | None = None
    agent_started: bool = False  # a sandbox of this run was started: it is never started again
    agent_outcome: Outcome | None = None  # how the agent itself ended; None = well, or not yet
    reason: str = ""
    summary: str = ""
    exit_status: int | None = None
    log_offset: int = 0  # bytes of the engine's log already in the ledger
    session: str = ""  # the agent's own name for its conversation; "" = it has none, or has not said it yet
    session_from: str = ""  # the session it was told to go on with
    session_cost: float | None = None  # US dollars for all runs of the session so far, as the agent says
    doing: str = ""  # what the agent does now
    limited_until: float | None = None  # when a provider's limit ends; seconds since the epoch
    due_at: float | None = None  # not to be claimed before; seconds since the epoch
    takeovers: int = 0
    created_at: float = 0.0  # this and the next two: seconds since the epoch, the ledger's clock
    started_at: float | None = None
    ended_at: float | None = None


def is_confidential(task: Task, run: Run) -> bool:
    """May only members read what was asked and answered? Then no branch name and no change may tell of it."""
    return task.thread.confidential or run.spot.internal


_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"  # no 0/o, 1/l/i: people type these


def new_task_id() -> str:
    """Eight random characters, 39 bits: `insert` refuses the rare twin."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(8))
