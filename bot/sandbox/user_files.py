"""The files that name the user of a sandbox, for programs that look up their own user id.

The user ids of tasks are not in any image, so these files are mounted over those of the image.
"""

from pathlib import Path

from bot.sandbox.engine.containers import Mount

_PASSWD = "root:x:0:0:root:/root:/bin/sh\nagent:x:{uid}:{uid}:agent:/home/agent:/bin/sh\n"
_GROUP = "root:x:0:\nagent:x:{uid}:\n"


def user_files(folder: Path, uid: int) -> list[Mount]:
    """Return the mounts of the files for this user id; create the files in `folder` if they are missing."""
    folder.mkdir(exist_ok=True)
    mounts = []
    for name, text in (("passwd", _PASSWD), ("group", _GROUP)):
        path = folder / f"{uid}.{name}"
        if not path.exists() or not path.stat().st_size:  # a power failure may have left it empty
            path.write_text(text.format(uid=uid))
            path.chmod(0o644)
        mounts.append(Mount(source=path, target=f"/etc/{name}"))
    return mounts
