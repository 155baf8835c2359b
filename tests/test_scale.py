"""A workspace is weighed beside the run, and the run does not wait for it."""

import shutil
import threading
from pathlib import Path

import pytest

from bot.errors import SandboxFailed
from bot.scale import Scale, room
from tests.workshop import until


def _looks(one: Scale, began: threading.Event) -> None:
    def looked() -> bool:
        one.look()
        return began.is_set()

    until(looked)


def test_the_disk_has_as_much_room_as_users_may_fill(tmp_path: Path) -> None:
    assert abs(room(tmp_path) - shutil.disk_usage(tmp_path).free) < 1 << 30


def test_a_measurement_that_fails_is_made_again_and_one_under_way_can_be_ended(tmp_path: Path) -> None:
    began, ended = threading.Event(), threading.Event()

    def measure() -> int:
        began.set()
        if not ended.wait(10):
            pytest.fail("nobody ended it")
        raise SandboxFailed("It did not end within its time.")

    one = Scale(measure, data=tmp_path, limit=-(1 << 60))
    _looks(one, began)
    assert one.busy

    one.end(ended.set)

    assert (one.busy, one.size) == (False, 0)
