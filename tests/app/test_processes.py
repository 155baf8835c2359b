"""The end of a long-lived process."""

import subprocess
import sys

import pytest

# The kernel gives the signal to the other thread, so it does not interrupt the main thread's wait.
RECEIVED_BY_ANOTHER_THREAD = """
import os, signal, threading, time
from bot.app import processes

stopping = threading.Event()

def send():
    time.sleep(0.5)
    os.kill(os.getpid(), signal.SIGTERM)

with processes._signals() as reasons:
    threading.Thread(target=send).start()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    processes._wait(reasons, stopping)
assert stopping.is_set()
"""


@pytest.mark.waits
def test_a_signal_that_another_thread_receives_ends_the_process() -> None:
    done = subprocess.run(
        [sys.executable, "-c", RECEIVED_BY_ANOTHER_THREAD], capture_output=True, text=True, timeout=60
    )

    assert done.returncode == 0, done.stderr
    assert "SIGTERM" in done.stdout + done.stderr
