"""The data folder: the path of everything in it, how it is created, and the name of its host.

No other module joins a path below the data folder, except that `bot/sandbox/workspace.py` joins the
names of tasks below `workspaces`.
"""

import os
import re
import secrets
import socket
import stat
import uuid
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from bot.domain.errors import BadSettings

# A removal, and the ledger in this folder, need a few files of their own.
_SPARE_FILES = 1_000
_DRAFT = re.compile(r"\.[0-9a-f]{32}")
# Between folders of objects, for git.
_SEPARATORS = {":": "a colon", "\n": "a line break", "\r": "a line break"}


@dataclass(frozen=True, slots=True)
class DataFolder:
    """The paths below `root`. A path says nothing about whether its file or folder exists."""

    root: Path

    @property
    def is_in_use(self) -> bool:
        """Report whether a bot has kept data here."""
        return self.ledger.exists() or self.instance.exists()

    @property
    def ledger(self) -> Path:
        """SQLite file of the ledger, if the settings name no other ledger."""
        return self.root / "ledger.sqlite3"

    @property
    def instance(self) -> Path:
        """File with the host name of this data folder."""
        return self.root / "instance"

    @property
    def identity(self) -> Path:
        """File with a random id, which tells two data folders with one host name apart."""
        return self.root / "folder"

    @property
    def link_key(self) -> Path:
        """File in which earlier releases, for a single host, stored the key of links."""
        return self.root / "link.key"

    @property
    def authorities(self) -> Path:
        """File with the certificate authorities of the system and of the settings."""
        return self.root / "authorities.pem"

    @property
    def lock(self) -> Path:
        """File that worker processes lock, and that contains the id of the last one."""
        return self.root / "lock"

    @property
    def workers(self) -> Path:
        """Folder of the files that processes lock for as long as they live."""
        return self.root / "workers"

    def worker(self, holder: str) -> Path:
        """Return the lock file of a process, by the name under which it holds runs."""
        return self.workers / holder.rpartition("/")[2]

    @property
    def workspaces(self) -> Path:
        """Folder of all workspaces."""
        return self.root / "workspaces"

    def workspace(self, folder: str) -> Path:
        """Return the folder of one workspace, by task id or by the name it has when set aside."""
        return self.workspaces / folder

    @property
    def removals(self) -> Path:
        """Folder of the locks of workspaces that are exported or removed."""
        return self.root / "removals"

    def removal(self, folder: str) -> Path:
        """Return the lock file for exporting or removing one workspace."""
        return self.removals / folder

    @property
    def mirrors(self) -> Path:
        """Folder of all mirrors."""
        return self.root / "mirrors"

    def mirror(self, repository: str) -> Path:
        """Return the bare copy of a remote, by the key of its repository."""
        return self.mirrors / f"{repository}.git"

    @property
    def quarantines(self) -> Path:
        """Folder of all quarantines, and of the temporary repositories of exports."""
        return self.root / "quarantine"

    def quarantine(self, task: str) -> Path:
        """Return the bare repository with the checked objects of a task."""
        return self.quarantines / f"{task}.git"

    @property
    def logs(self) -> Path:
        """Folder of the raw logs."""
        return self.root / "logs"

    def log(self, run: str) -> Path:
        """Return the raw log of a run."""
        return self.logs / run

    @property
    def users(self) -> Path:
        """Folder of the files that name the users of sandboxes."""
        return self.root / "users"

    @property
    def gateways(self) -> Path:
        """Folder of the gateway's folders, one for each run."""
        return self.root / "gateway"

    def gateway(self, run: str) -> Path:
        """Return the folder with the socket by which a run's agent reaches the gateway."""
        return self.gateways / run

    def free_bytes(self) -> int:
        """Return how many bytes the disk of this folder has left; 0 if it can take almost no more files."""
        disk = os.statvfs(self.root)
        # A file system without a fixed number of files reports 0 of them in all.
        if disk.f_files and disk.f_favail < _SPARE_FILES:
            return 0
        return disk.f_bavail * disk.f_frsize


def create(path: Path) -> DataFolder:
    """Create the data folder at `path` if it is missing.

    Raises BadSettings if this user cannot write to it, or if the path has a character that git takes
    for a separator: the first run would fail after all of the agent's work.
    An empty folder that somebody else created, such as systemd, is closed to other users. A folder with
    content keeps its mode, because its other uses are unknown here.
    """
    if found := next((name for character, name in _SEPARATORS.items() if character in str(path)), ""):
        raise BadSettings(f"[data] path: {str(path)!r} contains {found}. Name another folder.")
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder = DataFolder(path)
        with suppress(PermissionError):  # another user owns it and decides
            if is_open(folder) and not any(path.iterdir()):
                path.chmod(stat.S_IMODE(path.stat().st_mode) & ~stat.S_IRWXO)
        problem = "" if os.access(path, os.R_OK | os.W_OK | os.X_OK) else "Permission denied"
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        problem = str(error.strerror) if isinstance(error, OSError) else str(error)
    if problem:
        raise BadSettings(
            f"[data] path: {path} is not a folder this user can write to ({problem}). Give it to the user "
            "that runs the bot, or name another folder."
        )
    return folder


def is_open(folder: DataFolder) -> bool:
    """Report whether every user of this machine can read the data folder.

    It contains logs and sockets that are open to every user.
    """
    return bool(folder.root.stat().st_mode & stat.S_IRWXO)


def host_name(folder: DataFolder, requested: str) -> str:
    """Return the name this data folder was first given, by which the ledger knows its workspaces.

    An empty `requested` accepts any name. Raises BadSettings if the folder has another name.
    """
    if not re.fullmatch(r"[A-Za-z0-9._-]*", requested):
        raise BadSettings("--host takes letters, digits, dots and dashes.")
    new_name = requested or f"{socket.gethostname()}-{secrets.token_hex(3)}"
    known = write_once(folder.instance, new_name).strip()
    if requested not in ("", known):
        raise BadSettings(
            f"{folder.root} already has the host name {known}, and its workspaces are stored under that "
            "name. Omit --host, or give this host another [data] path."
        )
    return known


def identity(folder: DataFolder) -> str:
    """Return the random id of this data folder."""
    return write_once(folder.identity, secrets.token_hex(8))


def draft_of(path: Path) -> Path:
    """Return a new path for the content of a file of this folder until it is complete; see `old_drafts`."""
    return path.with_name(f"{path.name}.{uuid.uuid4().hex}")


def old_drafts(folder: DataFolder, before: float) -> list[Path]:
    """Return drafts that have not changed since `before`, in seconds since the epoch."""
    drafts = (path for path in folder.root.glob("*.*") if _DRAFT.fullmatch(path.suffix))
    return [path for path in drafts if path.stat().st_mtime < before]


def write_once(path: Path, content: str) -> str:
    """Return the content of the file, which only this user can read; the first process writes `content`."""
    if not path.exists():
        draft = draft_of(path)
        draft.touch(mode=0o600)
        draft.write_text(content)
        with suppress(FileExistsError):
            path.hardlink_to(draft)  # unlike a rename, it never overwrites another process's file
        draft.unlink()
    return path.read_text()
