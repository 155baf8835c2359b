"""An export that fails, is interrupted or was killed leaves nothing that blocks the next one."""

import os
import time
from pathlib import Path

import pytest

from bot.domain.errors import ExportRefused, ProcessKilled, SandboxFailed
from bot.domain.interrupt import within
from bot.sandbox.engine.containers import Mount
from bot.sandbox.export.workspace_export import is_done
from tests.sandbox.export_source import Site


def test_an_export_container_that_fails_midway_raises_its_own_error(site: Site) -> None:
    site.commit({"a.py": "1\n"})

    with pytest.raises(SandboxFailed, match="bad object"):
        site.take(shown=["1" * 40])


def test_leftovers_of_killed_exports_do_not_block_the_next_export_and_are_removed(site: Site) -> None:
    stale = site.quarantine.parent / "forgehand-t1-0-0-export.incoming"
    stale.mkdir()
    site.commit({"a.py": "1\n"})
    lock = site.quarantine / "refs" / "checked" / f"{site.plan().run}.lock"
    lock.parent.mkdir(parents=True)
    lock.touch()

    assert site.take().commits == 1

    assert [path.name for path in site.quarantine.parent.iterdir()] == ["t1.git"]


@pytest.mark.parametrize(
    "command", ["rev-parse", "ls-files", "update-index", "write-tree", "rev-list", "cat-file", "pack-objects"]
)
def test_work_is_not_refused_because_something_killed_git_in_the_container(
    site: Site, tmp_path: Path, command: str
) -> None:
    """In the container, git is always started by `timeout`."""
    killing = tmp_path / "timeout"
    killing.write_text(f'#!/bin/sh\nshift 3\n[ "$2" = {command} ] && exec sh -c \'kill -9 $$\'\nexec "$@"\n')
    killing.chmod(0o755)
    site.commit({"a.py": "1\n"})
    (site.repo / "half.txt").write_text("half\n")
    mounts = [*site.plan().workspace_mounts, Mount(source=killing, target="/usr/bin/timeout")]

    with pytest.raises(ProcessKilled, match="killed a helper container"):
        site.take(workspace_mounts=mounts)

    assert not is_done(site.quarantine, "t1-0")
    assert site.take().commits == 2


class _RaisesAt:
    """A check that raises when it is called for the n-th time."""

    def __init__(self, n: int) -> None:
        self._left = n

    def __call__(self) -> None:
        self._left -= 1
        if not self._left:
            raise TimeoutError


# Step 3 tests every third time only, because each time costs a container.
@pytest.mark.parametrize("step", [3, pytest.param(1, marks=pytest.mark.long)])
def test_an_export_that_is_interrupted_at_any_step_leaves_no_traces_and_can_be_repeated(
    site: Site, step: int
) -> None:
    site.commit({"a.py": "1\n"}, "One")
    site.commit({"a.py": "2\n"}, "Two")
    (site.repo / "half.txt").write_text("half\n")
    interrupted, exported = 0, None

    while exported is None:
        try:
            exported = site.take(succeeded=False, check=_RaisesAt(interrupted + 1))
        except TimeoutError:
            interrupted += step
            assert not is_done(site.quarantine, "t1-0")
            assert site.see("for-each-ref") == ""
            assert list(site.quarantine.parent.glob("*.incoming")) == []
            assert site.engine.ours() == []

    assert interrupted >= 6  # including the unpacking, each written commit, and the promotion
    assert site.see("show", f"{exported.wip}:half.txt") == "half"
    assert site.see("rev-parse", "refs/checked/t1-0") == exported.head
    assert (site.repo / "half.txt").read_text() == "half\n"


def test_a_check_that_raises_ends_a_hanging_export(site: Site) -> None:
    work = site.commit({"a.py": "1\n"})
    configuration = site.repo / ".git" / "config"
    content = configuration.read_bytes()
    configuration.unlink()
    os.mkfifo(configuration)
    began = time.monotonic()

    with pytest.raises((TimeoutError, ExportRefused)):  # ExportRefused if the script itself notices the fifo
        site.take(check=within(3))

    assert time.monotonic() - began < 30
    assert site.engine.ours() == []
    configuration.unlink()
    configuration.write_bytes(content)
    assert site.see("log", "-1", "--format=%T", site.take().head) == site.git("rev-parse", f"{work}^{{tree}}")
