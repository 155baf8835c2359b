"""An attempt to export or remove the folder of a workspace.

During an attempt no other process on this data folder may touch the workspace's
folder. An attempt ends at its time limit, and the ledger has a row of it while it
lasts: if the process dies meanwhile, the next process counts the death. Attempts at
different folders do not wait for each other.
"""

import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from bot.domain.error_policy import away
from bot.domain.errors import BotError, EngineUnavailable, LeaseLost, LedgerUnavailable, ProcessKilled
from bot.runs.leased_run import Cancelled, Stopped
from bot.runs.runtime import Runtime
from bot.sandbox.workspace import task_of
from bot.store import removals
from bot.store.process_locks import is_dead, try_lock
from bot.store.removals import Key, Removal

log = structlog.get_logger()

_End = Callable[[Connection, Key], None]
LONGEST = 1800.0  # seconds; no attempt gets more
_FAILED_PAUSE = 3600.0  # seconds until the next attempt after an error
_OVERRAN_PAUSE = 60.0  # seconds until the next attempt after the first overrun
_GROWTH = 4.0  # factor of each later pause, and of each later time limit


class TooSlow(BotError):
    """An attempt reached its time limit. `is_final` means that no later attempt gets more time."""

    def __init__(self, seconds: float, *, is_final: bool) -> None:
        super().__init__(f"The export or removal took longer than {seconds:.0f} seconds and was stopped.")
        self.is_final = is_final


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """The terms of an attempt.

    `check` is called at least twice a second; an error of it ends the attempt. `by_hand` means that a person
    asked for the attempt, so a stuck folder is tried, too.
    """

    check: Callable[[], None]
    seconds: float = LONGEST
    by_hand: bool = False
    export: bool = True  # False: work that was not exported is lost
    patience: float = 0.0  # seconds to wait for another attempt at the same folder


def seconds_for(before: Removal | None, first: float) -> float:
    """Return the time limit of the next attempt in seconds: more after each overrun."""
    return min(first * _GROWTH ** (before.overruns if before else 0), LONGEST)


@contextmanager
def attempted(runtime: Runtime, folder: str, terms: Terms) -> Iterator[Callable[[], None] | None]:
    """Record an attempt to export or remove this folder while the block runs.

    Yield the check that the block must call while it waits. It raises what the check of `terms` raises, and
    TooSlow at the time limit. Yield None if another attempt at the folder is in progress, or if the folder is
    stuck: then the block must do nothing.
    """
    runtime.data.removals.mkdir(exist_ok=True)
    key = Key(runtime.worker.host, folder, runtime.worker.holder)
    with try_lock(runtime.data.removal(folder), patience=terms.patience) as mine:
        if not mine or not _begin(runtime, key, terms):
            yield None
            return
        end: _End = removals.interrupted
        try:
            yield _limit(terms)
            end = removals.succeeded
        except TooSlow as error:
            end = _failed if error.is_final else _overran
            raise
        except (LeaseLost, Stopped, Cancelled, SQLAlchemyError, LedgerUnavailable):
            raise
        except Exception as error:
            end = _postponed if _is_of_machine(error) or _is_of_machine(error.__cause__) else _failed
            raise
        finally:
            _close(runtime, key, end)


def remove_locks(runtime: Runtime, present: Collection[str]) -> None:
    """Remove the locks that killed processes have left, except those of the folders that are present."""
    with suppress(FileNotFoundError):  # no removal was ever tried
        for lock in runtime.data.removals.iterdir():
            if lock.name not in present:
                with try_lock(lock, patience=0):
                    pass  # if nobody holds the lock, its file is removed now


def records(runtime: Runtime) -> dict[str, Removal]:
    """Count deaths, and return the records of all attempts at folders of this host, by folder."""
    with runtime.ledger.read() as tx:
        found = removals.of_host(tx, runtime.worker.host)
    if any(each.holder for each in found.values()):
        with runtime.ledger.write() as tx:
            count_deaths(tx, runtime)
            found = removals.of_host(tx, runtime.worker.host)
    return found


def count_deaths(tx: Connection, runtime: Runtime) -> None:
    """Count the deaths of this host's processes during attempts, and log the folders that are stuck now."""
    for each in removals.count_deaths(tx, runtime.worker.host, partial(is_dead, runtime.data)):
        log.error(
            "workspace is stuck: the bot died while exporting or removing it, and does not try again",
            workspace=each.task,
            deaths=removals.MOST_DEATHS,
            folder=str(runtime.data.workspace(each.folder)),
            next=f"forgehand workspaces rm {each.task}",
        )


def _begin(runtime: Runtime, key: Key, terms: Terms) -> bool:
    with runtime.ledger.write() as tx:
        count_deaths(tx, runtime)
        return removals.begin(tx, key, task_of(key.folder), by_hand=terms.by_hand)


def _is_of_machine(error: BaseException | None) -> bool:
    """Report whether the machine made the attempt fail, and not the folder."""
    return isinstance(error, EngineUnavailable | ProcessKilled)


def _limit(terms: Terms) -> Callable[[], None]:
    end = time.monotonic() + terms.seconds

    def check() -> None:
        terms.check()
        if time.monotonic() > end:
            raise TooSlow(terms.seconds, is_final=terms.seconds >= LONGEST)

    return check


def _failed(tx: Connection, key: Key) -> None:
    removals.failed(tx, key, _FAILED_PAUSE)


def _postponed(tx: Connection, key: Key) -> None:
    removals.postponed(tx, key, _FAILED_PAUSE)


def _overran(tx: Connection, key: Key) -> None:
    before = removals.of_host(tx, key.host).get(key.folder)
    pause = _OVERRAN_PAUSE * _GROWTH ** (before.overruns if before else 0)
    removals.overran(tx, key, min(pause, _FAILED_PAUSE))


def _close(runtime: Runtime, key: Key, end: _End) -> None:
    try:
        with runtime.ledger.write() as tx:
            end(tx, key)
    except LedgerUnavailable as error:
        # The row stays open. It counts as a death only if this process ends; else the next attempt closes it.
        log.warning("end of a removal not recorded", error=type(error).__name__, away=away(error))
