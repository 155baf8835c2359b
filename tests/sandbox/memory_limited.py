"""An export in a separate process with a limit on its memory, git processes included."""

import json
import os
import pickle
import resource
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bot.domain.errors import BotError
from bot.sandbox.engine.containers import Engine
from bot.sandbox.export.workspace_export import ExportPlan, export_work
from tests.sandbox.conftest import UID

ROOT = Path(__file__).parent.parent.parent
GROUPS = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Group:
    """A limit on memory. `path` is None if no group can be created: then each process has its own limit."""

    path: Path | None
    limit: int  # bytes


@dataclass(frozen=True)
class Outcome:
    status: int  # -9: it was killed
    error: str  # name of the exception, or ""
    text: str
    peak: int  # MiB of resident memory, of the largest process


@contextmanager
def memory_group(limit: int) -> Iterator[Group]:
    """Create a control group with this limit in bytes, of either version."""
    name = f"forgehand-test-{uuid.uuid4().hex[:12]}"
    old = (GROUPS / "memory").is_dir()
    path = GROUPS / "memory" / name if old else GROUPS / name
    try:
        path.mkdir()
        (path / ("memory.limit_in_bytes" if old else "memory.max")).write_text(str(limit))
    except OSError:
        if path.is_dir():
            path.rmdir()
        yield Group(None, limit)
        return
    try:
        yield Group(path, limit)
    finally:
        path.rmdir()


def export_in(group: Group, image: str, plan: ExportPlan) -> Outcome:
    """Export by this plan in the group."""
    instance = f"test-{uuid.uuid4().hex[:12]}"
    asked = pickle.dumps((group, instance, image, plan))
    command = [sys.executable, "-m", "tests.sandbox.memory_limited"]
    done = subprocess.run(command, input=asked, stdout=subprocess.PIPE, cwd=ROOT, check=False)
    engine = Engine(url="", instance=instance, uid=UID)
    for container in engine.ours():  # of an export that was killed
        engine.remove(container.name)
    printed = json.loads(done.stdout) if done.stdout else {"error": "", "text": "", "peak": 0}
    return Outcome(status=done.returncode, **printed)


def _export() -> None:
    group, instance, image, plan = pickle.load(sys.stdin.buffer)
    if group.path:
        (group.path / "cgroup.procs").write_text(str(os.getpid()))
    else:
        resource.setrlimit(resource.RLIMIT_DATA, (group.limit, group.limit))
    error = text = ""
    try:
        text = str(export_work(Engine(url="", instance=instance, uid=UID), image, plan).commits)
    except BotError as raised:
        error, text = type(raised).__name__, str(raised)
    # ru_maxrss of this process itself would include the memory of its parent before the exec.
    peak = max(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, _resident())
    json.dump({"error": error, "text": text, "peak": peak >> 10}, sys.stdout)


def _resident() -> int:
    """Return the peak memory of this process in KiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))


if __name__ == "__main__":
    _export()
