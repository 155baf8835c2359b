"""Tasks and their runs."""

import secrets
from dataclasses import dataclass, field

from bot.domain.lifecycle import Phase, State
from bot.domain.outcomes import Outcome
from bot.domain.thread import Actor, Part, ReplyTarget, Thread


@dataclass(frozen=True, slots=True)
class Identity:
    """Author and committer of the bot's commits."""

    name: str
    email: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A request on one thread of one repository, with its branch. Runs work on it."""

    id: str
    thread: Thread
    thread_key: str
    state: State
    agent: str
    model: str = ""  # "" = the agent's default
    change_form: str  # of the change to open: draft | ready | link | none
    base: str = ""  # branch that the change is for; "" = the default branch, filled in by the first prepare
    branch: str
    base_head: str = ""  # commit the work started from; "" before the first prepare
    pinned: str = ""  # head of the change when the command was answered; "" on issues
    fork: bool = False  # the change comes from another repository; the bot never pushes to that
    checked_head: str = ""  # last commit of the last export that passed the checks; "" before one
    pushed_head: str = ""  # commit that was last pushed, or found on the branch; "" before a push
    approved_head: str = ""  # commit that a person approved and that is not pushed yet; "" = none
    # If the task has left the branch of an ended change: the last pushed commit there. The commits from it to
    # `checked_head` are not on `base_head` yet, the start of the new branch. "" = there is nothing to move.
    left_head: str = ""
    change_number: int | None = None
    change_url: str = ""
    keep_days: int | None = None  # retention of the workspace as a person set it; None: as in the settings
    created_at: float = 0.0  # seconds since the epoch, the ledger's clock

    @property
    def here(self) -> bool:
        """Report whether the work is pushed to the branch on which it began, such as a change's."""
        return self.branch == self.base

    @property
    def may_have_change(self) -> bool:
        """Report whether the branch may have a change, which may have ended since.

        On another host, the pushed commits may be missing, and then the task has no pushed head any more.
        """
        return bool(self.pushed_head) or self.here or self.change_number is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One execution of a task, from its queue to its report."""

    id: str  # <task>-<number>
    task: str
    number: int
    thread_key: str
    repository_url: str
    state: State
    phase: Phase
    first_phase: Phase
    request: str
    context: tuple[Part, ...]  # untrusted
    reply_target: ReplyTarget = field(default_factory=ReplyTarget)
    cause: str
    agent: str = ""  # agent of this run: another run of the task may have another
    asked_by: Actor
    host: str = ""  # "" = any host may claim it
    wall_limit: int  # seconds
    epoch: int = 0
    cancel_asked: bool = False
    outcome: Outcome | None = None
    agent_started: bool = False  # a run starts its sandbox only once
    agent_outcome: Outcome | None = None  # failure of the agent itself; None = success, or not ended yet
    reason: str = ""
    summary: str = ""
    title: str = ""  # the agent's own title for its work; "" = none
    unexported: str = ""  # a sentence in Markdown on folders that were not exported; "" = none
    moved: str = ""  # a sentence in Markdown on the ended change whose branch the run left; "" = none
    exit_status: int | None = None
    log_offset: int = 0  # bytes of the engine's log already in the ledger
    session: str = ""  # the agent's id of its conversation; "" = none, or not reported yet
    session_from: str = ""  # id of the session that the agent has to resume
    session_cost: float | None = (
        None  # US dollars for all runs of the session so far, as the agent reports it
    )
    doing: str = ""  # the agent's present activity
    limited_until: float | None = None  # end of a provider's limit; seconds since the epoch
    due_at: float | None = None  # the run is not claimed before; seconds since the epoch
    takeovers: int = 0
    created_at: float = 0.0  # this and the next two: seconds since the epoch, the ledger's clock
    started_at: float | None = None
    ended_at: float | None = None


def is_confidential(task: Task, run: Run) -> bool:
    """Report whether only members may read the request: then no branch name and no change may quote it."""
    return task.thread.confidential or run.reply_target.internal


_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"  # no 0/o, 1/l/i: people type these


def new_task_id() -> str:
    """Return eight random characters, 39 bits. In the rare case of a duplicate, the ledger refuses it."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(8))
