"""Workspaces: a folder for each task, with the clone, the agent's home, and each run's input and output.

An agent can put anything into its clone and its home. So after these folders are
created, the bot itself opens no file in them: clone, repair and removal run in
containers, as the agent's uid.
"""

import os
import re
import secrets
import shutil
from contextlib import suppress
from itertools import islice
from pathlib import Path

from bot.domain.interrupt import Check, uninterrupted
from bot.sandbox import container_names
from bot.sandbox.engine.containers import Engine, Mount
from bot.sandbox.workspace_plan import Prepared, WorkspacePlan

_PREPARE = (Path(__file__).parent / "inside" / "prepare.sh").read_text()
# Without the chmod, read-only folders (Go's module cache) could not be emptied.
_EMPTY = """
empty() {
    find "$@" -mindepth 1 -maxdepth 1 ! -type l -exec chmod -R u+rwX {} +
    find "$@" -mindepth 1 -maxdepth 1 -exec rm -rf {} +
}
"""
_SECONDS = 1800  # for one preparation or removal
_LAST_UID = 65535  # of a sandbox, with an engine without root
_UID = "uid"  # the file with the user id of a workspace, out of the agent's reach
_GONE = ".gone-"  # in the name of a folder that waits to be removed
_OURS = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")  # names of folders of ours, which are also container names

# Modes: the agent has another uid than the bot, and a bot that is not root cannot change owners. The task's
# folder is closed to other users; a bind mount of an open folder in it does not need access to the path.
_CLOSED, _OPEN, _READABLE = 0o700, 0o777, 0o755


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
        """Report whether the task has a workspace whose preparation was once completed."""
        return self._prepared(task).exists()

    def uid(self, folder: str) -> int | None:
        """Return the user id of a folder's files; None = the engine's default one, for a new folder.

        A workspace from before has no file with it, and a power failure can leave that file empty. Then it is
        the owner of the files, except with an engine without root: its owners are above all ids of sandboxes.
        """
        with suppress(FileNotFoundError, ValueError):
            return int((self._root / folder / _UID).read_text())
        for name in ("repo", "home"):
            with suppress(FileNotFoundError), os.scandir(self._root / folder / name) as entries:
                for entry in islice(entries, 1):
                    owner = entry.stat(follow_symlinks=False).st_uid
                    return None if owner in (0, os.geteuid()) or owner > _LAST_UID else owner
        return None

    def prepare(self, plan: WorkspacePlan) -> Prepared:
        """Create the workspace, or bring a retained one up to date.

        Its files do not change, except if the plan has a commit `before`: then those that are as in it move
        to the start commit. If a modified or untracked file is in the way, none moves. Raises SandboxFailed,
        EngineUnavailable (worth a retry), and the exceptions of the plan's check. After an error the
        workspace can be prepared again.
        """
        folder = self._root / plan.task
        _folder(folder, _CLOSED)
        for name in ("repo", "home"):
            _folder(folder / name, _OPEN)
        mode = "kept" if self.has(plan.task) else "fresh"
        if mode == "fresh" and plan.uid is not None and self.uid(plan.task) is None:
            part = folder / f"{_UID}.new"
            part.write_text(str(plan.uid))
            part.replace(folder / _UID)
        output = self._engine.tool(
            name=plan.name,
            image=self._image,
            script=_EMPTY + _PREPARE,
            args=[mode, *plan.arguments()],
            mounts=self._shared(plan.task, plan.mirror, plan.quarantine),
            seconds=_SECONDS,
            uid=self.uid(plan.task),
            check=plan.check,
        )
        self._prepared(plan.task).touch()
        words = output.split()
        return Prepared(has_session=b"session" in words, moved=b"unmoved" not in words)

    def write_prompt(self, task: str, run: int, prompt: str) -> None:
        """Write the prompt of the run's agent, and create the folder for its result."""
        folder = self._root / task / "runs" / str(run)
        _folder(folder, _READABLE)
        _folder(folder / "out", _OPEN)
        file = folder / "prompt.md"
        file.write_bytes(prompt.encode())
        file.chmod(0o644)

    def mounts(self, task: str, run: int, mirror: Path, quarantine: Path) -> list[Mount]:
        """Return the mounts of a run's agent. Their paths inside are the same in every run."""
        run_folder = self._root / task / "runs" / str(run)
        return [
            *self._shared(task, mirror, quarantine),
            Mount(source=run_folder, target="/task"),
            Mount(source=run_folder / "out", target="/task/out", writable=True),
        ]

    def size(self, task: str, *, name: str, seconds: float = 60, check: Check = uninterrupted) -> int:
        """Return the size of the agent's files on disk in bytes. `name` is the container's.

        Folders that the agent's own uid cannot read do not count. Raises what `prepare` raises. `check` is
        called while the container works.
        """
        written = _written(self._root / task)
        targets = [f"/size/{number}" for number in range(len(written))]
        output = self._engine.tool(
            name=name,
            image=self._image,
            # Errors of du are ignored, because files may disappear while it works.
            script='du -skc "$@" 2>/dev/null | tail -n 1',
            args=targets,
            mounts=[Mount(source=path, target=target) for path, target in zip(written, targets, strict=True)],
            seconds=seconds,
            uid=self.uid(task),
            check=check,
        )
        return int(output.split()[0]) << 10

    def remove(self, task: str) -> None:
        """Remove the workspace, or the rest of it, if there is one. Raises what `prepare` raises."""
        self.set_aside(task)
        for folder in self.folders_set_aside():
            if task_of(folder) == task:
                self.clear_away(folder)

    def set_aside(self, task: str) -> str:
        """Rename the workspace, so that a new run of the task can start while its files are deleted.

        Return the folder's new name, for `clear_away`; "" if there was no workspace.
        """
        name = f"{task}{_GONE}{secrets.token_hex(4)}"
        try:
            (self._root / task).rename(self._root / name)
        except FileNotFoundError:
            return ""
        return name

    def clear_away(self, folder: str, *, check: Check = uninterrupted, seconds: float = _SECONDS) -> None:
        """Delete a folder that was set aside, or the rest of it. Raises what `prepare` raises.

        `check` is called at least twice a second. If it raises, the removal ends and can be continued later.
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
                uid=self.uid(folder),
                check=check,
            )
        with suppress(FileNotFoundError):
            shutil.rmtree(path)

    def folders_set_aside(self) -> set[str]:
        """Return the names of the folders that were set aside and still exist."""
        with suppress(FileNotFoundError):  # no workspace has been created yet
            return {name for name in self._all() if _GONE in name}
        return set()

    def folders(self) -> dict[str, float]:
        """Return the time of the last change of each task's folder, in seconds since the epoch.

        Raises FileNotFoundError if no workspace has been created yet.
        """
        return {name: at for name, at in self._all().items() if _GONE not in name}

    def _all(self) -> dict[str, float]:
        """Return the time of the last change of each of our folders; files and unknown names are not ours."""
        times = {}
        for path in self._root.iterdir():
            with suppress(FileNotFoundError):  # renamed or removed since it was listed
                if _OURS.fullmatch(path.name) and path.is_dir():
                    times[path.name] = path.stat().st_mtime
        return times

    def _prepared(self, task: str) -> Path:
        """Return the file, out of the agent's reach, that marks a completed preparation."""
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
    """Return the folders of a workspace to which an agent may have written."""
    return [path for path in (folder / "repo", folder / "home") if path.exists()] + [
        *folder.glob("runs/*/out")
    ]


def _folder(path: Path, mode: int) -> None:
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(mode)  # the umask applies to the mode of mkdir
