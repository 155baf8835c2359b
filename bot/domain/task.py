"""Tasks and their runs."""

import secrets
from dataclasses import dataclass, field

from bot.domain.lifecycle import Outcome, Phase, State
from bot.domain.thread import Actor, Part, ReplyTarget, Thread


@dataclass(frozen=True, slots=True)
class Identity:
    """Author and committer of what the bot pushes."""

    name: str
    email: str


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
    reply_target: ReplyTarget = field(default_factory=ReplyTarget)
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
    return task.thread.confidential or run.reply_target.internal


_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"  # no 0/o, 1/l/i: people type these


def new_task_id() -> str:
    """Eight random characters, 39 bits: `insert` refuses the rare twin."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(8))
