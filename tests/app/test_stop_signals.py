"""Signals end a long-lived process, also during its start."""

import os
import signal
import subprocess
import sys

import pytest

from bot.app.stop_signals import no_reason, stop_signals

# The kernel gives the signal to the other thread, so it does not interrupt the main thread's wait.
RECEIVED_BY_ANOTHER_THREAD = """
import os, signal, threading, time
from bot.app import stop_signals

stopping = threading.Event()

def send():
    time.sleep(0.5)
    os.kill(os.getpid(), signal.SIGTERM)

with stop_signals.stop_signals() as reasons:
    threading.Thread(target=send).start()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    stop_signals.wait_for(reasons, stopping)
assert stopping.is_set()
"""


@pytest.mark.waits
def test_a_signal_that_another_thread_receives_ends_the_process() -> None:
    done = subprocess.run(
        [sys.executable, "-c", RECEIVED_BY_ANOTHER_THREAD], capture_output=True, text=True, timeout=60
    )

    assert done.returncode == 0, done.stderr
    assert "SIGTERM" in done.stdout + done.stderr


def test_a_signal_during_the_start_ends_the_next_wait_in_it() -> None:
    waits = []
    with stop_signals() as reasons:
        check = no_reason(reasons)
        check()
        waits.append("before")
        os.kill(os.getpid(), signal.SIGTERM)
        check()
        waits.append("after")

    assert waits == ["before"]
