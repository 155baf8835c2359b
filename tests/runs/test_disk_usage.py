"""A workspace is measured in another thread, and the run does not wait for it."""

import threading
import time
from pathlib import Path

import pytest

from bot.domain.interrupt import Check
from bot.runs import disk_usage
from bot.runs.disk_usage import DiskUsage
from bot.store.data_folder import DataFolder
from tests.support.worker_bench import until


@pytest.fixture(autouse=True)
def _measured_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk_usage, "_PAUSE", 0.0)
    monkeypatch.setattr(disk_usage, "_END_WITHIN", 0.3)


def _start_measuring(one: DiskUsage, began: threading.Event) -> None:
    def looked() -> bool:
        one.start_if_due()
        return began.is_set()

    until(looked)


def test_a_measurement_can_be_interrupted(tmp_path: Path) -> None:
    began, pause = threading.Event(), threading.Event()

    def measure(check: Check) -> int:
        began.set()
        end = time.monotonic() + 60
        while time.monotonic() < end:
            check()
            pause.wait(0.05)
        pytest.fail("nobody ended it")

    one = DiskUsage(measure, data=DataFolder(tmp_path), limit=-(1 << 60))
    _start_measuring(one, began)
    assert one.busy

    one.end()

    assert (one.busy, one.size) == (False, 0)


def test_ending_does_not_wait_for_a_measurement_that_hangs(tmp_path: Path) -> None:
    began, freed = threading.Event(), threading.Event()

    def measure(_check: Check) -> int:
        began.set()
        freed.wait(60)
        return 7

    one = DiskUsage(measure, data=DataFolder(tmp_path), limit=-(1 << 60))
    _start_measuring(one, began)
    asked = time.monotonic()

    one.end()

    assert time.monotonic() - asked < 30
    assert one.busy
    freed.set()
    until(lambda: not one.busy)
