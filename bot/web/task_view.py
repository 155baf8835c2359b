"""The values that a task's page shows, ready for its template.

Texts are as their authors wrote them: the environment of the templates cleans and
escapes them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from markupsafe import Markup

from bot.domain.lifecycle import Phase, State
from bot.store.removals import MOST_DEATHS


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkView:
    """A text, and the address it leads to; "" if there is none."""

    text: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingView:
    """A queued run."""

    kind: ClassVar[str] = "waiting"
    position: int  # 1 is next
    continues_at: float | None  # when a limit ends; None: the run waits for others only


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningView:
    """A run in one of its phases."""

    kind: ClassVar[str] = "running"
    phase: Phase
    since: float | None
    doing: str  # the agent's own description of its current step


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedView:
    """An ended run: its outcome, and the command to continue with."""

    kind: ClassVar[str] = "ended"
    state: State
    sentence: str
    reason: str
    place: str  # where to give the command
    command: str


ResultView = WaitingView | RunningView | EndedView


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkspaceView:
    removed: bool
    retained_until: float | None  # None: no limit yet, a run needs it
    stuck: Sequence[str]  # names of its folders that the bot cannot remove
    deaths: int = MOST_DEATHS  # of the bot, after which it stops trying


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseView:
    phase: Phase
    started_at: float
    ended_at: float | None  # None: it has not ended


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetView:
    """A host, or a kind of request, and the number of requests that a sandbox made."""

    name: str
    count: int
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetsView:
    """The most important targets, and a count of requests to all others."""

    listed: Sequence[TargetView]
    others: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunView:
    """One run of the task."""

    number: int
    state: State
    outcome: str  # the state, if it has no outcome yet
    exit_status: int | None
    asked_by: str
    asked_at: float
    request: str
    phases: Sequence[PhaseView]
    session: str  # a sentence on the agent's conversation, "" if there is nothing to say
    reason: str
    summary: str
    unexported: str  # a sentence on folders that were not exported; "" = none
    refusals: Sequence[tuple[str, str]]  # by the forge: kind of message, the forge's answer
    models: str  # requests, tokens and cost; "" if the run used none
    reached: TargetsView
    blocked: TargetsView


@dataclass(frozen=True, slots=True, kw_only=True)
class FactsView:
    """The table of facts about the task."""

    repository: str
    branch: LinkView | None
    commit: LinkView | None  # None: nothing was pushed
    change: LinkView | None
    base: str
    has_patch: bool
    agent: str
    asked_at: float
    workspace: WorkspaceView


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskView:
    """Everything that the page shows. Times are seconds since the epoch."""

    id: str
    title: str
    state: State
    thread: LinkView | None  # None: the task has no thread on a forge
    result: ResultView
    facts: FactsView
    runs: Sequence[RunView]  # newest first, at least one
    log: Markup  # of the newest run, escaped; it is cleaned once, on reading, because that takes long
    key: str  # signature of this page's own address
    now: float
