"""A test that starts a process or speaks to the engine is known to, whatever its marks say."""

import socket
import subprocess
import threading
from collections.abc import Iterator

import pytest

from tests.support.started import ENGINE, Watch

pytestmark = pytest.mark.waits  # for processes that end at once

OURS = Watch()


@pytest.fixture
def watch() -> Iterator[Watch]:
    yield OURS
    OURS.refuses = False


def test_a_process_has_the_name_of_its_program_and_git_does_not_count(watch: Watch) -> None:
    with watch.test() as started:
        subprocess.run(["/bin/true"], check=True)
        subprocess.run(["git", "--version"], check=True, capture_output=True)

    assert started == {"true"}


def test_so_does_the_engine_whoever_speaks_to_it(watch: Watch) -> None:
    with watch.test() as started, socket.socket(socket.AF_UNIX) as connection:
        thread = threading.Thread(target=connection.connect_ex, args=["/nowhere/docker.sock"])
        thread.start()
        thread.join()

    assert started == {ENGINE}


def test_threads_from_before_do_not_count_nor_what_is_started_between_two_tests(watch: Watch) -> None:
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


def test_with_quick_nothing_is_started(watch: Watch) -> None:
    watch.refuses = True

    with watch.test(), pytest.raises(RuntimeError, match="needs true is marked"):
        subprocess.run(["true"], check=True)
