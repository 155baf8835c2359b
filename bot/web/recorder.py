"""Deliveries on their way to the ledger: one writer thread, one commit for all that wait.

A commit to disk costs the same for one delivery as for fifty, and a 202 may
only follow one. So whatever arrives while a commit is under way shares the next.
"""

import asyncio
import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog
from pydantic_core import from_json

from bot.store import deliveries
from bot.store.deliveries import Delivery
from bot.store.ledger import Ledger

log = structlog.get_logger()

_BATCH = 64  # deliveries in one transaction: bounds how long other writers wait for it
# Seconds between the first delivery and its commit. Without it the first of many commits alone, and
# the interpreter lock passes to and fro between them and the event loop: a third fewer deliveries.
_GATHER = 0.0005
_WAITING = 1_000  # deliveries in memory while the ledger is slow; the next ones are told to come again
_UNTOLD = 10_000  # nudges in memory while the broker is slow; the sweep finds what is dropped

Nudge = Callable[[str, str], object]  # (forge, delivery id)


class NotJSON(ValueError):
    """The body is not a JSON object as RFC 8259 has it (NaN, lone surrogates, endless nesting, bad UTF-8)."""


class NotRecorded(Exception):
    """The ledger did not take the delivery; whether it holds it is unknown. The sender must send it again."""


@dataclass(frozen=True, slots=True)
class _QueuedDelivery:
    delivery: Delivery
    recorded: "asyncio.Future[None]"


class Intake:
    """Start it once; submit from one event loop; stop it after the last request has its answer."""

    def __init__(self, ledger: Ledger, nudge: Nudge) -> None:
        self._ledger = ledger
        self._nudge = nudge
        self._waiting: queue.SimpleQueue[_QueuedDelivery | None] = queue.SimpleQueue()
        self._untold: queue.Queue[tuple[str, str] | None] = queue.Queue()  # keys: bodies would fill memory
        self._stopping = False
        # Two threads, because a broker that hangs must not hold up a 202.
        self._threads = [
            threading.Thread(target=self._write, name="intake", daemon=True),
            threading.Thread(target=self._tell, name="intake-nudge", daemon=True),
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Record what was submitted, nudge for it, end both threads. What comes later is not recorded."""
        self._stopping = True
        self._waiting.put(None)
        for thread in self._threads:
            thread.join()

    def submit(self, delivery: Delivery) -> "asyncio.Future[None]":
        """Hand a delivery to the writer. Call on the event loop.

        The future is done when the delivery, or the twin it repeats, is on disk.
        It raises NotJSON, or NotRecorded.
        """
        recorded: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self._stopping or self._waiting.qsize() >= _WAITING:
            recorded.set_exception(NotRecorded("too many deliveries wait for the ledger"))
        else:
            self._waiting.put(_QueuedDelivery(delivery, recorded))
        return recorded

    def _write(self) -> None:
        going = True
        while going:
            taken = self._next_batch()
            going = taken[-1] is not None
            batch = [waiting for waiting in taken if waiting is not None]
            if batch:
                self._commit(batch)
        self._untold.put(None)

    def _next_batch(self) -> list[_QueuedDelivery | None]:
        """Wait for one, then take what came with it; None, which ends a batch, is the wish to stop."""
        taken = [self._waiting.get()]
        time.sleep(_GATHER)
        while taken[-1] is not None and len(taken) < _BATCH:
            try:
                taken.append(self._waiting.get_nowait())
            except queue.Empty:
                break
        return taken

    def _commit(self, batch: Sequence[_QueuedDelivery]) -> None:
        # Bodies are read here and not where they arrive: a parse would hold up every other request.
        errors = [check(waiting.delivery.body) for waiting in batch]
        good = [w.delivery for w, error in zip(batch, errors, strict=True) if error is None]
        failed = self._record(good)
        _resolve(batch, [error or failed for error in errors])
        if failed is None:
            for delivery in good:
                if self._untold.qsize() < _UNTOLD:
                    self._untold.put((delivery.forge, delivery.id))

    def _record(self, good: Sequence[Delivery]) -> Exception | None:
        if not good:
            return None
        try:
            with self._ledger.write() as tx:
                deliveries.record(tx, good)
        except Exception as error:  # noqa: BLE001 - without this thread no delivery is taken any more
            # Its class only: the database's own words quote the values, and those hold bodies.
            kind = type(error).__name__
            log.error("deliveries not recorded", deliveries=len(good), error=kind)  # noqa: TRY400
            return NotRecorded("the ledger did not take it")
        return None

    def _tell(self) -> None:
        while (key := self._untold.get()) is not None:
            forge, delivery = key
            try:
                self._nudge(forge, delivery)
            except Exception:  # whatever a broker may raise; the sweep nudges again
                log.warning("nudge failed", forge=forge, delivery=delivery, exc_info=True)


def check(body: bytes) -> NotJSON | None:
    """Say what keeps `body` from being a JSON object, if anything does."""
    try:
        if isinstance(from_json(body, allow_inf_nan=False, cache_strings="keys"), dict):
            return None
    except ValueError as error:
        return NotJSON(str(error))
    return NotJSON("not a JSON object")


def _resolve(batch: Sequence[_QueuedDelivery], errors: Sequence[Exception | None]) -> None:
    """Wake the requests of a batch, with one call into their loop."""

    def wake() -> None:
        for waiting, error in zip(batch, errors, strict=True):
            if waiting.recorded.done():  # the request was given up meanwhile
                continue
            if error is None:
                waiting.recorded.set_result(None)
            else:
                waiting.recorded.set_exception(error)

    try:
        batch[0].recorded.get_loop().call_soon_threadsafe(wake)
    except RuntimeError:
        log.warning("requests gone before their deliveries were recorded", deliveries=len(batch))
