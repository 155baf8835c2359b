"""The remedy for each known error, and the rules for trying a failed step again.

One table for phases, answers and reports. An error that is not in it is a bug of ours.
"""

import errno
from dataclasses import dataclass
from enum import StrEnum

from bot.domain.errors import (
    BadSettings,
    BranchMissing,
    ChangeEnded,
    DiskFull,
    EngineUnavailable,
    ExportRefused,
    ForgeError,
    ForgeGone,
    ForgeUnavailable,
    ForgeUnrecognized,
    GitFailed,
    LeaseLost,
    LedgerUnavailable,
    NoLedger,
    NotAllowed,
    NotMerged,
    NotPossible,
    NotUnderstood,
    ProcessKilled,
    PushRejected,
    RemoteMissing,
    RemoteUnavailable,
    SandboxFailed,
    WorkflowsRefused,
)


class Remedy(StrEnum):
    """The bot's response to an error."""

    RETRY = "retry"  # the cause may pass by itself: the step is tried again after a pause
    TELL_USER = "tell_user"  # a person must do something: the error's message says what, on the thread
    ABANDON = "abandon"  # another worker has the run: stop without a word
    INCIDENT = "incident"  # a bug of ours: it is logged under a number, and the thread is given the number


REMEDIES: dict[type[Exception], Remedy] = {
    ForgeUnavailable: Remedy.RETRY,
    ForgeUnrecognized: Remedy.RETRY,
    RemoteUnavailable: Remedy.RETRY,
    EngineUnavailable: Remedy.RETRY,
    ProcessKilled: Remedy.RETRY,
    LedgerUnavailable: Remedy.RETRY,
    NotUnderstood: Remedy.TELL_USER,
    NotAllowed: Remedy.TELL_USER,
    NotPossible: Remedy.TELL_USER,
    BadSettings: Remedy.TELL_USER,
    NoLedger: Remedy.TELL_USER,
    ForgeError: Remedy.TELL_USER,
    ForgeGone: Remedy.TELL_USER,
    BranchMissing: Remedy.TELL_USER,
    GitFailed: Remedy.TELL_USER,
    RemoteMissing: Remedy.TELL_USER,
    PushRejected: Remedy.TELL_USER,
    ChangeEnded: Remedy.TELL_USER,
    WorkflowsRefused: Remedy.TELL_USER,
    SandboxFailed: Remedy.TELL_USER,
    ExportRefused: Remedy.TELL_USER,
    NotMerged: Remedy.TELL_USER,
    DiskFull: Remedy.TELL_USER,
    LeaseLost: Remedy.ABANDON,
}
_DEPENDENCIES: dict[type[Exception], str] = {
    LedgerUnavailable: "ledger",
    EngineUnavailable: "engine",
    ForgeUnavailable: "forge",
    RemoteUnavailable: "remote",
}
TRANSIENT = tuple(kind for kind, remedy in REMEDIES.items() if remedy is Remedy.RETRY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """The pauses between the tries of one step.

    `pauses` are in seconds; the last one is repeated. `tries` is the most that are made, None for no
    end.
    """

    pauses: tuple[float, ...]
    tries: int | None = None

    def pause(self, failures: int) -> float:
        """Return the seconds to wait after so many failed tries, 1 or more."""
        return self.pauses[min(failures, len(self.pauses)) - 1]

    def is_exhausted(self, failures: int) -> bool:
        """Report whether no try is left after so many failed ones."""
        return self.tries is not None and failures >= self.tries


ANSWER = Backoff(pauses=(5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 300.0))
REPORT = Backoff(pauses=(2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 300.0))
PHASE = Backoff(pauses=(1.0, 2.0, 5.0, 10.0, 20.0), tries=6)  # about 40 seconds
# Without an engine nobody on this machine works, and its agents may outlive its restart: ten minutes.
PHASE_WITHOUT_ENGINE = Backoff(pauses=(1.0, 2.0, 5.0), tries=123)

PATIENCE = 3600.0  # seconds for which a command waits for a forge that is away; then it is refused
INCIDENT_TRIES = 5  # of an answer or a report that fails by a bug of ours
LEDGER_TRIES = 10  # of a report on which the ledger fails, although it takes the notes before and after
OPTIONAL_TRIES = 3  # of a report that may be dropped, such as a reaction


def domain_error(error: Exception) -> Exception:
    """Return the error of ours that this one stands for, or itself: any write may find the disk full."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFull()
    return error


def away(error: BaseException) -> str:
    """Name the dependency that does not answer: ledger, engine, forge or remote; "" for any other error.

    Log lines have it as `away`: of those, one a minute is written for each dependency.
    """
    return next((_DEPENDENCIES[kind] for kind in type(error).__mro__ if kind in _DEPENDENCIES), "")


def remedy(error: Exception) -> Remedy:
    """Return the remedy for the nearest class of the error that is in the table."""
    return next((REMEDIES[kind] for kind in type(error).__mro__ if kind in REMEDIES), Remedy.INCIDENT)


def report_remedy(error: Exception, failures: int) -> Remedy:
    """Return the remedy for an error of a report that has failed so often."""
    if isinstance(error, LedgerUnavailable) and failures >= LEDGER_TRIES:
        return Remedy.INCIDENT
    return remedy(error)


def is_report_over(what: Remedy, failures: int) -> bool:
    """Report whether a report with this remedy is given up after so many failed tries."""
    return what is Remedy.TELL_USER or (what is Remedy.INCIDENT and failures >= INCIDENT_TRIES)
