"""The data folder: made if it is missing, refused if it cannot be written to, and its host's name."""

import os
import re
import secrets
import socket
import stat
from contextlib import suppress
from pathlib import Path

from bot.domain.errors import BadSettings
from bot.store.process_locks import once


def folder(data: Path) -> Path:
    """Make it where there is none yet. Raises BadSettings where this process could not write in it.

    An empty one that others made, systemd for instance, is closed to other users. Nothing else is: what a
    full one is to others besides is not known here.
    """
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        with suppress(PermissionError):  # its owner is another, who decides
            if is_open(data) and not any(data.iterdir()):
                data.chmod(stat.S_IMODE(data.stat().st_mode) & ~stat.S_IRWXO)
        wrong = "" if os.access(data, os.R_OK | os.W_OK | os.X_OK) else "Permission denied"
    except OSError as error:
        wrong = str(error.strerror)
    if wrong:
        raise BadSettings(
            f"[data] path: {data} is no folder that this user may write in ({wrong}). Give it to the user "
            "who runs the bot, or name another."
        )
    return data


def is_open(data: Path) -> bool:
    """May every user of this machine look into it?

    In it are the key of links and tokens, logs, and sockets that are open to every user.
    """
    return bool(data.stat().st_mode & stat.S_IRWXO)


def name(data: Path, wanted: str) -> str:
    """What this data folder was first called: workspaces are known by that. `wanted` "": whatever it was.

    Raises BadSettings where it has another name than it is to have.
    """
    if not re.fullmatch(r"[A-Za-z0-9._-]*", wanted):
        raise BadSettings("--host takes letters, digits, dots and dashes.")
    known = once(data / "instance", wanted or f"{socket.gethostname()}-{secrets.token_hex(3)}").strip()
    if wanted not in ("", known):
        raise BadSettings(
            f"{data} is known as host {known}, and so are its workspaces. Leave --host out, or give this one "
            "another [data] path."
        )
    return known
