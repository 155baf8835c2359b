"""Every error we know, by what is to be done about it.

One table, so that phases, answers and reports do not each keep a list of their
own. What is not in it is a bug of ours.
"""

import errno
import secrets
from enum import StrEnum

import structlog

from bot.errors import (
    BadSettings,
    DiskFull,
    EngineUnavailable,
    ExportRefused,
    ForgeError,
    ForgeGone,
    ForgeUnavailable,
    GitFailed,
    LeaseLost,
    NotAllowed,
    NotPossible,
    NotUnderstood,
    PushRejected,
    RemoteMissing,
    RemoteUnavailable,
    SandboxFailed,
)
from bot.store.ledger import AWAY

log = structlog.get_logger()


class Remedy(StrEnum):
    WAIT = "wait"  # it may pass by itself: tried again, each pause longer, to an end
    ACT = "act"  # a person must do something: the error's words say what, on the thread
    LEAVE = "leave"  # another worker has it: nothing more is done, and nothing is said
    LOOK = "look"  # ours: logged with a number, and the thread is told which


REMEDIES: dict[type[Exception], Remedy] = {
    ForgeUnavailable: Remedy.WAIT,
    RemoteUnavailable: Remedy.WAIT,
    EngineUnavailable: Remedy.WAIT,
    **dict.fromkeys(AWAY, Remedy.WAIT),
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


def incident(event: str, error: Exception, **facts: object) -> str:
    """Log what broke, with its traceback, under a number; return that."""
    number = secrets.token_hex(4)
    log.error(event, incident=number, exc_info=error, **facts)
    return number


def in_words(number: str) -> str:
    """What a thread is told of an incident."""
    return f"Something broke on our side. Whoever runs the bot finds it in its log as incident `{number}`."
