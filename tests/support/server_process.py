"""A third-party server as a process that tests may stop and restart."""

import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

START_LIMIT = 30.0  # maximum seconds until it answers


@dataclass(slots=True, kw_only=True)
class Server:
    """A program that tests may stop, and restart on the same data."""

    command: Sequence[object]
    folder: Path
    answers: Callable[[], object]
    not_yet: type[Exception]  # raised by `answers` until the server is ready
    stop_by: signal.Signals
    user: str | None = None
    _process: "subprocess.Popen[bytes] | None" = None

    def start(self) -> None:
        """Start the server and return when it answers."""
        with (self.folder / "output").open("ab") as output:
            self._process = subprocess.Popen(
                list(map(str, self.command)),
                cwd=self.folder,
                user=self.user,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        end = time.monotonic() + START_LIMIT
        while True:
            try:
                self.answers()
            except self.not_yet as error:
                if self._process.poll() is not None or time.monotonic() > end:
                    pytest.fail(f"{self.command!r} does not answer: {error}")
                time.sleep(0.05)
            else:
                return

    def stop(self) -> None:
        if self._process is not None:
            self._process.send_signal(self.stop_by)
            self._process.wait(START_LIMIT)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Run the server during the block, unless the test stops it."""
        try:
            self.start()
            yield
        finally:
            self.stop()
