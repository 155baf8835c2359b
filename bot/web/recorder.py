"""Recording of deliveries in the ledger: one writer thread, and one commit for all waiting deliveries.

A commit to disk costs the same for one delivery as for fifty, and no delivery
may be answered with 202 before its commit. So all deliveries that arrive during
one commit share the next.
"""

import asyncio
import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from bot.domain.error_policy import away
from bot.store import deliveries
from bot.store.deliveries import Delivery
from bot.store.ledger import Ledger
from bot.web.json_body import LARGE, NotJSON, json_error

log = structlog.get_logger()

_BATCH = 64  # deliveries in one transaction: bounds how long other writers wait for it
# Seconds between the first delivery and its commit. Without the pause the first of many is committed
# alone, and the interpreter lock moves back and forth between commits and the event loop: throughput is
# a third lower.
_GATHER = 0.0005
_WAITING = 1_000  # deliveries in memory while the ledger is slow; more are refused, to be sent again
_UNSENT = 10_000  # nudges in memory while the broker is slow; more are dropped, as the sweep repeats them

Nudge = Callable[[str, str], object]  # (forge, delivery id)


class NotRecorded(Exception):
    """The ledger may not have the delivery. The sender must send it again."""


@dataclass(frozen=True, slots=True)
class _QueuedDelivery:
    delivery: Delivery
    recorded: "asyncio.Future[None]"


class Intake:
    """The writer of deliveries.

    Start it once, submit from one event loop, and stop it after the last request is answered.
    """

    def __init__(self, ledger: Ledger, nudge: Nudge) -> None:
        self._ledger = ledger
        self._nudge = nudge
        self._waiting: queue.SimpleQueue[_QueuedDelivery | None] = queue.SimpleQueue()
        # Keys only: bodies would fill the memory.
        self._unsent: queue.Queue[tuple[str, str] | None] = queue.Queue()
        self._stopping = False
        # Two threads, because a broker that hangs must not delay a 202.
        self._threads = [
            threading.Thread(target=self._write, name="intake", daemon=True),
            threading.Thread(target=self._send_nudges, name="intake-nudge", daemon=True),
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Record the submitted deliveries, nudge for them, and end both threads. Later ones are refused."""
        self._stopping = True
        self._waiting.put(None)
        for thread in self._threads:
            thread.join()

    def submit(self, delivery: Delivery) -> "asyncio.Future[None]":
        """Hand a delivery to the writer. Call on the event loop.

        The future is done when the delivery is on disk, or was before. Its errors: NotJSON, NotRecorded.
        """
        recorded: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self._stopping:
            recorded.set_exception(NotRecorded("the bot is stopping"))
        elif self._waiting.qsize() >= _WAITING:
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
        self._unsent.put(None)

    def _next_batch(self) -> list[_QueuedDelivery | None]:
        """Wait for a delivery; take those that arrive with it. None, at the end, is the request to stop."""
        taken = [self._waiting.get()]
        time.sleep(_GATHER)
        while taken[-1] is not None and len(taken) < _BATCH:
            try:
                taken.append(self._waiting.get_nowait())
            except queue.Empty:
                break
        return taken

    def _commit(self, batch: Sequence[_QueuedDelivery]) -> None:
        # Bodies are parsed here: on the event loop, a parse would delay every other request.
        errors = [_json_error(waiting.delivery.body) for waiting in batch]
        good = [w.delivery for w, error in zip(batch, errors, strict=True) if error is None]
        failed = self._record(good)
        _resolve(batch, [error or failed for error in errors])
        if failed is None:
            for delivery in good:
                if self._unsent.qsize() < _UNSENT:
                    self._unsent.put((delivery.forge, delivery.id))

    def _record(self, good: Sequence[Delivery]) -> Exception | None:
        if not good:
            return None
        try:
            with self._ledger.write() as tx:
                deliveries.record(tx, good)
        except Exception as error:  # noqa: BLE001 - without this thread no delivery is ever accepted again
            # Its class only: the database's own message quotes values, and these contain bodies.
            kind = type(error).__name__
            log.error("deliveries not recorded", deliveries=len(good), error=kind, away=away(error))  # noqa: TRY400
            return NotRecorded("the ledger refused the write")
        return None

    def _send_nudges(self) -> None:
        while (key := self._unsent.get()) is not None:
            forge, delivery = key
            try:
                self._nudge(forge, delivery)
            except Exception:  # a broker may raise anything; the sweep nudges again
                log.warning("nudge failed", forge=forge, delivery=delivery, exc_info=True)


def _json_error(body: bytes) -> NotJSON | None:
    return None if len(body) > LARGE else json_error(body)  # the receiver has checked the large ones


def _resolve(batch: Sequence[_QueuedDelivery], errors: Sequence[Exception | None]) -> None:
    """Answer the requests of a batch, with one call into their event loop."""

    def wake() -> None:
        for waiting, error in zip(batch, errors, strict=True):
            if waiting.recorded.done():  # the request was cancelled meanwhile
                continue
            if error is None:
                waiting.recorded.set_result(None)
            else:
                waiting.recorded.set_exception(error)

    try:
        batch[0].recorded.get_loop().call_soon_threadsafe(wake)
    except RuntimeError:
        log.warning("event loop closed before its deliveries were recorded", deliveries=len(batch))
