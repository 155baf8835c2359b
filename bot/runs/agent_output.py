"""An agent's output, on its way from the engine into the raw log and the ledger.

The engine's stream blocks, so a thread reads it into a buffer. The buffer is
small: a backlog waits in the engine's log and not in the memory of this process.
"""

import threading
import time
from dataclasses import replace
from typing import IO

from bot.agents.transcript import OutputReader
from bot.domain.lifecycle import Phase
from bot.domain.outcomes import RunVerdict
from bot.runs.agent_limits import AgentLimits
from bot.runs.leased_run import Cancelled, LeasedRun
from bot.runs.runtime import AgentAccess
from bot.sandbox.engine.streams import ContainerLog
from bot.store import leases
from bot.store import log_chunks as store_log

_LOOK = 0.5  # seconds to wait for output before limits and interrupts are checked again
_FLUSH = 1.0  # seconds between two writes to the ledger
_FULL = 4 << 20  # bytes of pending output that are written at once
_PROGRESS = 30.0  # seconds between two edits of the progress comment while the agent works
_GRACE = 10.0  # seconds an agent has to exit after it has reported its end


class Tail:
    """The output of one agent, followed by this worker from the last byte in the ledger on."""

    def __init__(
        self, leased: LeasedRun, limits: AgentLimits, reader: OutputReader, access: AgentAccess | None
    ) -> None:
        self._leased = leased
        self._limits = limits
        self._reader = reader  # it has read all output up to `log_offset`
        self._access = access
        self._offset = leased.run.log_offset  # bytes of output that are already in the ledger
        self._pending = bytearray()
        self._flushed = self._progress_sent = time.monotonic()
        self._done_at: float | None = None

    def to_the_end(self) -> RunVerdict | None:
        """Follow the agent until its container ends; return None then.

        Return a verdict if the agent has to be stopped. It is past a limit, or has reported its end and does
        not exit.
        """
        path = self._leased.runtime.data.log(self._leased.run.id)
        path.parent.mkdir(parents=True, exist_ok=True)
        engine, name = self._leased.runtime.engine, self._leased.sandbox
        source = self._leased.retry_or_abandon(lambda: engine.follow(name, self._offset))
        self._limits.record_output(0)  # a slow engine must not count as a silent agent
        buffer = _Buffer()
        reader = threading.Thread(target=buffer.fill, args=(source,), name=path.name)
        reader.start()
        try:
            # Unbuffered: if this worker is killed, the file must not be behind the ledger.
            with path.open("r+b" if path.exists() else "w+b", buffering=0) as file:
                # A dead worker may have written past the ledger's offset: that part comes once more.
                file.truncate(self._offset)
                file.seek(self._offset)
                verdict = self._loop(buffer, file)
        finally:
            source.close()
            buffer.close()
            reader.join()
        return verdict

    def _loop(self, buffer: "_Buffer", file: IO[bytes]) -> RunVerdict | None:
        try:
            verdict = self._take(buffer, file)
        except Cancelled:
            self._flush()
            raise
        self._flush()
        return verdict

    def _take(self, buffer: "_Buffer", file: IO[bytes]) -> RunVerdict | None:
        while True:
            self._leased.check()
            taken = buffer.take(_LOOK)
            if taken is None:
                return None
            data, lines = taken
            file.write(data)
            self._pending += data
            if data:
                self._limits.record_output(lines)
                self._reader.feed(data)
            printed = self._offset + len(self._pending)
            if verdict := self._stop() or self._limits.exceeded(printed) or self._done():
                return verdict
            if len(self._pending) >= _FULL or time.monotonic() - self._flushed >= _FLUSH:
                self._flush()

    def _stop(self) -> RunVerdict | None:
        """Return the gateway's reason to stop the agent, if there is one: no budget left, a refused key."""
        return self._access.stop if self._access else None

    def _done(self) -> RunVerdict | None:
        result = self._reader.report
        if result is None or result.waits:  # it waits for its own command: only the run's limits end that
            self._done_at = None
            return None
        self._done_at = self._done_at or time.monotonic()
        return RunVerdict() if time.monotonic() - self._done_at > _GRACE else None

    def _flush(self) -> None:
        """Write the output, its meaning and its offset in one transaction.

        So a worker that takes the run over has neither a gap nor a repetition.
        """
        leased, now = self._leased, time.monotonic()
        self._flushed = now
        is_progress_due = now - self._progress_sent >= _PROGRESS
        counter = self._access.counter if self._access and self._access.counter.unsaved else None
        if not self._pending and not is_progress_due and not counter:
            return
        news = {"log_offset": self._offset + len(self._pending), **self._reader.changes()}
        with leased.runtime.ledger.write() as tx:
            leases.write(tx, leased.lease, **news)
            leased.run = replace(leased.run, **news)
            store_log.append(tx, leased.run.id, self._offset, bytes(self._pending))
            if counter:
                counter.save(tx)
            if is_progress_due:
                leased.report_progress(tx, Phase.AGENT, last_line=self._reader.last_message)
                self._progress_sent = now
        self._offset += len(self._pending)
        self._pending.clear()


class _Buffer:
    """Bytes on their way between two threads: at most one ledger row, and one message of the engine."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._frames = 0
        self._ended = False  # the stream has no more bytes
        self._closed = False  # nobody reads the buffer any more
        self._changed = threading.Condition()

    def fill(self, source: ContainerLog) -> None:
        """Move the engine's stream into the buffer until it ends."""
        try:
            for data in source:
                with self._changed:
                    self._changed.wait_for(lambda: self._closed or len(self._data) < store_log.CHUNK)
                    # A closed buffer still reads the stream to its end: its socket is released only then.
                    if not self._closed:
                        self._data += data
                        self._frames += 1
                        self._changed.notify_all()
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify_all()

    def take(self, seconds: float) -> tuple[bytes, int] | None:
        """Return the bytes there are and the number of their frames; None at the end of the stream.

        After so many seconds without output, return no bytes.

        A frame is a line, or 16 KiB of a longer line: the engine stores lines in such parts.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._data or self._ended, seconds)
            if self._ended and not self._data:
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
