"""Tests that start a process or use the engine are detected, with any marks."""

import socket
import subprocess
import threading
from collections.abc import Iterator

import pytest

from tests.support.started import ENGINE, Watch

pytestmark = pytest.mark.waits  # because of processes that end at once

OURS = Watch()


@pytest.fixture
def watch() -> Iterator[Watch]:
    yield OURS
    OURS.refuses = False


def test_a_started_process_is_reported_by_its_program_and_git_is_ignored(watch: Watch) -> None:
    with watch.test() as started:
        subprocess.run(["/bin/true"], check=True)
        subprocess.run(["git", "--version"], check=True, capture_output=True)

    assert started == {"true"}


def test_a_connection_to_the_engine_is_detected_in_any_thread(watch: Watch) -> None:
    with watch.test() as started, socket.socket(socket.AF_UNIX) as connection:
        thread = threading.Thread(target=connection.connect_ex, args=["/nowhere/docker.sock"])
        thread.start()
        thread.join()

    assert started == {ENGINE}


def test_starts_in_earlier_threads_and_between_two_tests_are_ignored(watch: Watch) -> None:
    begun, over = threading.Event(), threading.Event()

    def unfinished() -> None:
        begun.wait()
        subprocess.run(["true"], check=True)
        over.set()

    threading.Thread(target=unfinished).start()
    with watch.test() as started:
        begun.set()
        over.wait()
    subprocess.run(["true"], check=True)

    assert started == set()


def test_quick_refuses_every_start(watch: Watch) -> None:
    watch.refuses = True

    with watch.test(), pytest.raises(RuntimeError, match="needs true is marked"):
        subprocess.run(["true"], check=True)
