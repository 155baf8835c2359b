"""What an agent prints, on its way from the engine into the raw log and the ledger.

The engine's stream blocks, so a thread reads it into a buffer; the buffer is
small, so that the engine's log and not our memory holds what we are behind.
"""

import threading
import time
from dataclasses import replace
from typing import IO

from bot.agents.transcript import Listening
from bot.domain.lifecycle import Phase
from bot.gateway.run_access import RunAccess
from bot.runs.agent_limits import Bounds, Ended
from bot.runs.leased_run import Cancelled, LeasedRun
from bot.sandbox.engine.streams import ContainerLog
from bot.store import leases
from bot.store import log_chunks as store_log

_LOOK = 0.5  # seconds
_FLUSH = 1.0  # seconds between two writes to the ledger, unless
_FULL = 4 << 20  # bytes wait for one
_TELL = 30.0  # seconds between two edits of the progress comment while the agent works
_GRACE = 10.0  # seconds an agent has to end after it has said how it ended


class Tail:
    """Follows one agent for this worker, from the byte on that the ledger ends with."""

    def __init__(
        self, leased: LeasedRun, bounds: Bounds, listening: Listening, access: RunAccess | None
    ) -> None:
        self._attempt = leased
        self._bounds = bounds
        self._listening = listening  # it has heard all up to that byte
        self._access = access
        self._offset = leased.run.log_offset  # of what the ledger holds
        self._pending = bytearray()
        self._flushed = self._told = time.monotonic()
        self._done_at: float | None = None

    def to_the_end(self) -> Ended | None:
        """Follow to the container's end (None), to a limit, or until its agent is done and does not end."""
        path = self._attempt.runtime.data.log(self._attempt.run.id)
        path.parent.mkdir(parents=True, exist_ok=True)
        engine, name = self._attempt.runtime.engine, self._attempt.sandbox
        source = self._attempt.asking(lambda: engine.follow(name, self._offset))
        self._bounds.heard(0)  # till now it may have been the engine that was silent
        buffer = _Buffer()
        reader = threading.Thread(target=buffer.fill, args=(source,), name=path.name)
        reader.start()
        try:
            # Unbuffered: a worker that is killed must leave no less here than the ledger says it holds.
            with path.open("r+b" if path.exists() else "w+b", buffering=0) as file:
                # What a dead worker wrote past the ledger's offset comes once more.
                file.truncate(self._offset)
                file.seek(self._offset)
                ended = self._loop(buffer, file)
        finally:
            source.close()
            buffer.close()
            reader.join()
        return ended

    def _loop(self, buffer: "_Buffer", file: IO[bytes]) -> Ended | None:
        try:
            ended = self._take(buffer, file)
        except Cancelled:
            self._flush()
            raise
        self._flush()
        return ended

    def _take(self, buffer: "_Buffer", file: IO[bytes]) -> Ended | None:
        while True:
            self._attempt.check()
            taken = buffer.take(_LOOK)
            if taken is None:
                return None
            data, lines = taken
            file.write(data)
            self._pending += data
            if data:
                self._bounds.heard(lines)
                self._listening.take(data)
            if (
                cut := self._stopped()
                or self._bounds.passed(self._offset + len(self._pending))
                or self._done()
            ):
                return cut
            if len(self._pending) >= _FULL or time.monotonic() - self._flushed >= _FLUSH:
                self._flush()

    def _stopped(self) -> Ended | None:
        """What happened outside may be the end of it: a budget used up, a key that is refused."""
        stop = self._access.stop if self._access else None
        return Ended(stop.outcome, stop.words, None) if stop else None

    def _done(self) -> Ended | None:
        result = self._listening.result
        if result is None or result.waits:  # for how long is for the limits to say
            self._done_at = None
            return None
        self._done_at = self._done_at or time.monotonic()
        return Ended(None, "", None) if time.monotonic() - self._done_at > _GRACE else None

    def _flush(self) -> None:
        """Bytes, what they say, and offset in one transaction: an adoption has neither gap nor repetition."""
        leased, now = self._attempt, time.monotonic()
        self._flushed = now
        tell = now - self._told >= _TELL
        counts = self._access.counts if self._access and self._access.counts.unsaved else None
        if not self._pending and not tell and not counts:
            return
        news = {"log_offset": self._offset + len(self._pending), **self._listening.news()}
        with leased.runtime.ledger.write() as tx:
            leases.write(tx, leased.lease, **news)
            leased.run = replace(leased.run, **news)
            store_log.append(tx, leased.run.id, self._offset, bytes(self._pending))
            if counts:
                counts.save(tx)
            if tell:
                leased.tell(tx, Phase.AGENT, last_line=self._listening.last_words)
                self._told = now
        self._offset += len(self._pending)
        self._pending.clear()


class _Buffer:
    """Bytes between two threads, one ledger row of them at most and what the engine sends at once."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._frames = 0
        self._over = False  # nothing more comes
        self._closed = False  # nobody takes any more
        self._changed = threading.Condition()

    def fill(self, source: ContainerLog) -> None:
        """Move all of the engine's stream here, until it ends or `close` was called."""
        try:
            for data in source:
                with self._changed:
                    self._changed.wait_for(lambda: self._closed or len(self._data) < store_log.CHUNK)
                    # Once closed it is read to its end all the same: only then is its socket given back.
                    if not self._closed:
                        self._data += data
                        self._frames += 1
                        self._changed.notify_all()
        finally:
            with self._changed:
                self._over = True
                self._changed.notify_all()

    def take(self, seconds: float) -> tuple[bytes, int] | None:
        """What there is, and of how many frames; b"" where nothing came in time, None at the end.

        A frame is a line, or 16 KiB of a longer one: so the engine keeps it.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._data or self._over, seconds)
            if self._over and not self._data:
                return None
            taken = bytes(self._data), self._frames
            self._data.clear()
            self._frames = 0
            self._changed.notify_all()
        return taken

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()
