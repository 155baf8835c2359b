"""The folder of a task on this host: the clone, the agent's home, what each run was given and left.

An agent can make of its clone what it likes, so after the folders are made the
host touches nothing in them: clone, repair and removal run in containers, as
the agent's uid.
"""

import re
import secrets
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from bot.domain.interrupt import Check, uninterrupted
from bot.sandbox import container_names
from bot.sandbox.engine.containers import Engine, Mount
from bot.sandbox.export.protected_paths import pathspecs

_PREPARE = (Path(__file__).parent / "inside" / "prepare.sh").read_text()
# Without this chmod a read-only folder of the agent's (Go's module cache) cannot be emptied.
_EMPTY = """
empty() {
    find "$@" -mindepth 1 -maxdepth 1 ! -type l -exec chmod -R u+rwX {} +
    find "$@" -mindepth 1 -maxdepth 1 -exec rm -rf {} +
}
"""
_SECONDS = 1800  # for one preparation or removal
_GONE = ".gone-"  # in the name of a folder that waits to be removed
_OURS = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")  # names of folders of ours, which are also container names

# Modes: the agent's uid is not the bot's, and a bot that is not root cannot give files away. The task's
# folder is closed to everybody; a bind mount of an open folder in it needs no path to it.
_CLOSED, _OPEN, _READABLE = 0o700, 0o777, 0o755


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkspacePlan:
    """What prepare brings the clone to. `name` is the container's and carries task, run and epoch."""

    task: str
    run: int
    name: str
    mirror: Path
    quarantine: Path
    branch: str
    start: str  # commit the branch is put at
    refs: Mapping[str, str]  # all the clone is shown of the remote: "origin/main" -> commit
    instruction_files: Sequence[str]  # files that agents obey, as patterns of .gitignore
    session_file: str = ""  # below the agent's home, a pattern of the shell: is it there?
    briefed_by: str = ""  # commit whose files the agent obeys; "" = those of `start`
    check: Check = field(default=uninterrupted, compare=False)  # called while the container works


def task_of(folder: str) -> str:
    """Return the task whose workspace this folder is, or was before it was set aside."""
    return folder.partition(_GONE)[0]


class Workspaces:
    """The workspaces of this host, which are the folders in `root`. `image` is the tools image."""

    def __init__(self, *, root: Path, engine: Engine, image: str) -> None:
        self._root = root
        self._engine = engine
        self._image = image

    def has(self, task: str) -> bool:
        """Whether there is a workspace that was prepared to the end at least once."""
        return self._prepared(task).exists()

    def prepare(self, plan: WorkspacePlan) -> bool:
        """Make the workspace, or bring the kept one up to date with its files untouched. Repeat at will.

        Returns whether the session's file is there. Raises SandboxFailed, EngineUnavailable (worth a retry),
        and what the plan's check raises: the workspace is then as after a death there, to be prepared again.
        """
        folder = self._root / plan.task
        _folder(folder, _CLOSED)
        for name in ("repo", "home"):
            _folder(folder / name, _OPEN)
        mode = "kept" if self.has(plan.task) else "fresh"
        briefed = [plan.briefed_by, "\n".join(pathspecs(plan.instruction_files))]
        refs = [word for pair in plan.refs.items() for word in pair]
        said = self._engine.tool(
            name=plan.name,
            image=self._image,
            script=_EMPTY + _PREPARE,
            args=[mode, str(plan.run), plan.branch, plan.start, plan.session_file, *briefed, *refs],
            mounts=self._shared(plan.task, plan.mirror, plan.quarantine),
            seconds=_SECONDS,
            check=plan.check,
        )
        self._prepared(plan.task).touch()
        return said.rstrip().endswith(b"session")

    def write_task(self, task: str, run: int, prompt: str) -> None:
        """Write what the run's agent is told, and make the folder for its answer."""
        folder = self._root / task / "runs" / str(run)
        _folder(folder, _READABLE)
        _folder(folder / "out", _OPEN)
        file = folder / "prompt.md"
        file.write_bytes(prompt.encode())
        file.chmod(0o644)

    def mounts(self, task: str, run: int, mirror: Path, quarantine: Path) -> list[Mount]:
        """Return what the agent sees, at the same paths in every run."""
        told = self._root / task / "runs" / str(run)
        return [
            *self._shared(task, mirror, quarantine),
            Mount(source=told, target="/task"),
            Mount(source=told / "out", target="/task/out", writable=True),
        ]

    def size(self, task: str, *, name: str, seconds: float = 60, check: Check = uninterrupted) -> int:
        """Return how many bytes of the disk the agent's files take. `name` is the container's.

        A folder that the agent closed to itself is not seen into. Raises as `prepare`; `check` is called
        while the container works.
        """
        written = _written(self._root / task)
        targets = [f"/size/{number}" for number in range(len(written))]
        said = self._engine.tool(
            name=name,
            image=self._image,
            # Files come and go meanwhile, so what du complains of does not count.
            script='du -skc "$@" 2>/dev/null | tail -n 1',
            args=targets,
            mounts=[Mount(source=path, target=target) for path, target in zip(written, targets, strict=True)],
            seconds=seconds,
            check=check,
        )
        return int(said.split()[0]) << 10

    def remove(self, task: str) -> None:
        """Remove the workspace. Fine when there is none, or half of one; raises as `prepare`."""
        self.set_aside(task)
        for folder in self.set_aside_before():
            if task_of(folder) == task:
                self.clear_away(folder)

    def set_aside(self, task: str) -> str:
        """Take the workspace out of the way at once: a run of the task may begin anew while the files go.

        Returns the folder's new name, for `clear_away`; "" if there was no workspace.
        """
        name = f"{task}{_GONE}{secrets.token_hex(4)}"
        try:
            (self._root / task).rename(self._root / name)
        except FileNotFoundError:
            return ""
        return name

    def clear_away(self, folder: str, *, check: Check = uninterrupted, seconds: float = _SECONDS) -> None:
        """Remove a folder that was set aside, or what is left of it; raises as `prepare`.

        `check` is called at least twice a second; what it raises ends the removal, to be gone on with later.
        """
        path = self._root / folder
        written = _written(path)
        targets = [f"/gone/{number}" for number in range(len(written))]
        if written:
            self._engine.tool(
                name=container_names.removal(folder),
                image=self._image,
                script=f'{_EMPTY}\nempty "$@"',
                args=targets,
                mounts=[
                    Mount(source=path, target=target, writable=True)
                    for path, target in zip(written, targets, strict=True)
                ],
                seconds=seconds,
                check=check,
            )
        with suppress(FileNotFoundError):
            shutil.rmtree(path)

    def set_aside_before(self) -> set[str]:
        """Return the names of the folders that were set aside and are still there."""
        with suppress(FileNotFoundError):  # no workspace was ever made
            return {name for name in self._all() if _GONE in name}
        return set()

    def folders(self) -> dict[str, float]:
        """When the folder of each task was last added to, in seconds since the epoch.

        Raises FileNotFoundError where no workspace was ever made.
        """
        return {name: at for name, at in self._all().items() if _GONE not in name}

    def _all(self) -> dict[str, float]:
        """Folders of ours and when each was last added to. A file, or a name we never give, is not ours."""
        found = {}
        for path in self._root.iterdir():
            with suppress(FileNotFoundError):  # set aside or gone since it was listed
                if _OURS.fullmatch(path.name) and path.is_dir():
                    found[path.name] = path.stat().st_mtime
        return found

    def _prepared(self, task: str) -> Path:
        """Mark, out of the agent's reach, that a half-made clone is not taken for an agent's."""
        return self._root / task / "prepared"

    def _shared(self, task: str, mirror: Path, quarantine: Path) -> list[Mount]:
        folder = self._root / task
        return [
            Mount(source=folder / "repo", target="/workspace", writable=True),
            Mount(source=folder / "home", target="/home/agent", writable=True),
            Mount(source=mirror / "objects", target="/mirror/objects"),
            Mount(source=quarantine / "objects", target="/quarantine/objects"),
        ]


def _written(folder: Path) -> list[Path]:
    """Folders of a workspace that an agent may have written to."""
    return [path for path in (folder / "repo", folder / "home") if path.exists()] + [
        *folder.glob("runs/*/out")
    ]


def _folder(path: Path, mode: int) -> None:
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(mode)  # mkdir's own is masked
