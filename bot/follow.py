"""Phase agent: start the sandbox, or find it, and follow it to its end.

The sandbox is detached: it outlives this process, and the next worker goes on at
the byte the ledger holds. The engine's stream blocks, so a thread reads it into a
bounded queue; the loop here looks every half second at limits and flags.
"""

import queue
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from bot.agents import command
from bot.attempt import Attempt, Cancelled
from bot.model import Outcome, Phase
from bot.sandbox.container import Condition, Sandbox
from bot.sandbox.stream import Log
from bot.sandbox.workspace import Workspaces
from bot.store import leases, runs
from bot.store import log as store_log
from bot.store.ledger import clock

_LOOK = 0.5  # seconds
_FLUSH = 1.0  # seconds between two log rows
_TELL = 30.0  # seconds between two edits of the progress comment while the agent works


@dataclass(frozen=True, slots=True)
class Ended:
    """How the agent ended. `outcome` None: well."""

    outcome: Outcome | None
    reason: str
    exit_status: int | None


def follow(attempt: Attempt, workspaces: Workspaces, mirror: Path) -> Ended:
    """Run the agent to its end and return how it ended; raises Stopped and LeaseLost, sandbox running."""
    engine = attempt.house.engine
    try:
        if not attempt.run.agent_started:
            # One that a dead worker started, and did not live to record, is left as it is.
            attempt.retrying(lambda: engine.start(_sandbox(attempt, workspaces, mirror)))
            with attempt.house.ledger.write() as tx:
                leases.write(tx, attempt.lease, agent_started=True)
        ended = _watch_it(attempt)
    except Cancelled:
        attempt.cancel_heard = True
        ended = Ended(Outcome.CANCELLED, "", None)
    if ended.exit_status is None:
        # A worker that slept past a limit may have lost the run: the next one decides how it ends.
        attempt.must_be_ours()
        attempt.retrying(lambda: engine.stop(attempt.sandbox))
    return ended


def _watch_it(attempt: Attempt) -> Ended:
    if attempt.retrying(lambda: attempt.house.engine.condition(attempt.sandbox)) is None:
        return _judge(attempt, None)
    tail = _Tail(attempt, attempt.run.log_offset)
    while True:
        if cut := tail.to_the_end():
            return cut
        condition = attempt.retrying(lambda: attempt.house.engine.condition(attempt.sandbox))
        # The stream also ends when the engine's connection does: the agent may well go on.
        if condition is None or not condition.running:
            return _judge(attempt, condition)


def _judge(attempt: Attempt, condition: Condition | None) -> Ended:
    if condition is None or condition.exit_status is None:
        return Ended(Outcome.LOST, "Its container is not there any more.", None)
    status = condition.exit_status
    if status == 0:
        return Ended(None, "", 0)
    if condition.out_of_memory:
        limit = attempt.house.limits.memory
        return Ended(Outcome.OUT_OF_MEMORY, f"It needed more than its {limit} of memory.", status)
    return Ended(Outcome.AGENT_FAILED, f"It ended with exit status {status}.", status)


def _sandbox(attempt: Attempt, workspaces: Workspaces, mirror: Path) -> Sandbox:
    house, run, task = attempt.house, attempt.run, attempt.task
    env = command.environment(
        task=task.id,
        run=run.id,
        resume=run.number > 1,
        agent=task.agent,
        base=task.base,
        branch=task.branch,
        identity=house.identity,
    )
    return Sandbox(
        name=attempt.sandbox,
        image=house.image,
        argv=command.argv(house.agents[task.agent]),
        env=env,
        mounts=workspaces.mounts(task.id, run.number, mirror, house.quarantine(task.id)),
        limits=house.limits,
        labels={"forgehand.task": task.id, "forgehand.run": run.id},
        log_bytes=house.log_bytes,
    )


class _Tail:
    """What the agent prints, on its way into the raw log and the ledger."""

    def __init__(self, attempt: Attempt, offset: int) -> None:
        self._attempt = attempt
        self._offset = offset  # of what the ledger holds
        self._pending = bytearray()
        self._flushed = self._told = time.monotonic()
        with attempt.house.ledger.read() as tx:
            started = {phase: at for phase, at, _ in runs.phase_times(tx, attempt.run.id)}[Phase.AGENT]
            self._deadline = time.monotonic() + attempt.run.wall_limit - (clock(tx) - started)

    def to_the_end(self) -> Ended | None:
        """Follow until the container ends (None), or until a limit is passed."""
        path = self._attempt.house.data / "logs" / self._attempt.run.id
        path.parent.mkdir(parents=True, exist_ok=True)
        chunks: _Chunks = queue.Queue(maxsize=16)
        engine, name = self._attempt.house.engine, self._attempt.sandbox
        source = self._attempt.retrying(lambda: engine.follow(name, self._offset))
        reader = threading.Thread(target=_read, args=(source, chunks), name=path.name)
        reader.start()
        try:
            # Unbuffered: a worker that is killed must leave no less here than the ledger says it holds.
            with path.open("r+b" if path.exists() else "w+b", buffering=0) as file:
                # What a dead worker wrote past the ledger's offset comes once more.
                file.truncate(self._offset)
                file.seek(self._offset)
                ended = self._loop(chunks, file)
        finally:
            source.close()
            _drain(chunks, reader)
        return ended

    def _loop(self, chunks: "_Chunks", file: IO[bytes]) -> Ended | None:
        try:
            ended = self._take(chunks, file)
        except Cancelled:
            self._flush()
            raise
        self._flush()
        return ended

    def _take(self, chunks: "_Chunks", file: IO[bytes]) -> Ended | None:
        limit = self._attempt.house.log_bytes
        while True:
            self._attempt.check()
            try:
                chunk = chunks.get(timeout=_LOOK)
            except queue.Empty:
                chunk = b""
            if chunk is None:
                return None
            file.write(chunk)
            self._pending += chunk
            now = time.monotonic()
            if self._offset + len(self._pending) > limit:
                return Ended(Outcome.OUTPUT_LIMIT, f"It printed more than {limit:,} bytes.", None)
            if now > self._deadline:
                return _timed_out(self._attempt.run.wall_limit)
            if len(self._pending) >= store_log.CHUNK or now - self._flushed >= _FLUSH:
                self._flush()

    def _flush(self) -> None:
        """Bytes and offset in one transaction: an adoption has neither gap nor repetition."""
        attempt, now = self._attempt, time.monotonic()
        self._flushed = now
        tell = now - self._told >= _TELL
        if not self._pending and not tell:
            return
        with attempt.house.ledger.write() as tx:
            leases.write(tx, attempt.lease, log_offset=self._offset + len(self._pending))
            store_log.append(tx, attempt.run.id, self._offset, bytes(self._pending))
            if tell:
                attempt.tell(tx, Phase.AGENT, last_line=_last_line(self._pending))
                self._told = now
        self._offset += len(self._pending)
        self._pending.clear()


def _timed_out(limit: int) -> Ended:
    words = f"{limit / 60:g} minutes" if limit >= 120 else f"{limit} s"
    return Ended(Outcome.TIMED_OUT, f"It did not end within {words}.", None)


_Chunks = queue.Queue[bytes | None]


def _read(source: Log, chunks: _Chunks) -> None:
    """Move the engine's stream into the queue; None marks its end, whatever ended it."""
    try:
        for data in source:
            chunks.put(data)
    finally:
        chunks.put(None)


def _drain(chunks: _Chunks, reader: threading.Thread) -> None:
    """Let a reader that waits for room go, and wait for it."""
    while reader.is_alive():
        try:
            chunks.get(timeout=0.1)
        except queue.Empty:
            continue


def _last_line(data: bytearray) -> str:
    lines = bytes(data[-4096:]).decode(errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "")
