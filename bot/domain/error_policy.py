"""Every error we know, by what is to be done about it.

One table, so that phases, answers and reports do not each keep a list of their
own. What is not in it is a bug of ours.
"""

import errno
from enum import StrEnum

from bot.domain.errors import (
    BadSettings,
    DiskFull,
    EngineUnavailable,
    ExportRefused,
    ForgeError,
    ForgeGone,
    ForgeUnavailable,
    GitFailed,
    LeaseLost,
    LedgerUnavailable,
    NotAllowed,
    NotPossible,
    NotUnderstood,
    PushRejected,
    RemoteMissing,
    RemoteUnavailable,
    SandboxFailed,
)


class Remedy(StrEnum):
    WAIT = "wait"  # it may pass by itself: tried again, each pause longer, to an end
    ACT = "act"  # a person must do something: the error's words say what, on the thread
    LEAVE = "leave"  # another worker has it: nothing more is done, and nothing is said
    LOOK = "look"  # ours: logged with a number, and the thread is told which


REMEDIES: dict[type[Exception], Remedy] = {
    ForgeUnavailable: Remedy.WAIT,
    RemoteUnavailable: Remedy.WAIT,
    EngineUnavailable: Remedy.WAIT,
    LedgerUnavailable: Remedy.WAIT,
    NotUnderstood: Remedy.ACT,
    NotAllowed: Remedy.ACT,
    NotPossible: Remedy.ACT,
    BadSettings: Remedy.ACT,
    ForgeError: Remedy.ACT,
    ForgeGone: Remedy.ACT,
    GitFailed: Remedy.ACT,
    RemoteMissing: Remedy.ACT,
    PushRejected: Remedy.ACT,
    SandboxFailed: Remedy.ACT,
    ExportRefused: Remedy.ACT,
    DiskFull: Remedy.ACT,
    LeaseLost: Remedy.LEAVE,
}
TRANSIENT = tuple(kind for kind, remedy in REMEDIES.items() if remedy is Remedy.WAIT)


def known(error: Exception) -> Exception:
    """The error, or what it means to us: a full disk is met wherever we write."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFull()
    return error


def remedy(error: Exception) -> Remedy:
    """By the nearest class of the error that is in the table."""
    return next((REMEDIES[kind] for kind in type(error).__mro__ if kind in REMEDIES), Remedy.LOOK)
