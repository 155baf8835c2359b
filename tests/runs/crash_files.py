"""The files that only processes at work have in a data folder."""

import re
from pathlib import Path

from bot.store.data_folder import DataFolder

# All that a bot without any run at work has in its data folder. Anything else was left behind.
_LASTING = re.compile(
    r"""
    folder | instance | lock | ledger[.](db|sqlite3)(-wal|-shm)?
    | logs(/[a-z0-9]+-\d+)?
    | users(/\d+[.](passwd|group))?
    | workers | removals | gateway | mirrors | quarantine
    | workspaces(/[a-z0-9]+(/(uid|prepared|(runs|repo|home)(/.*)?))?)?
    | mirrors/[^/]+[.]lock
    | (mirrors|quarantine)/[^/]+[.]git(/(
        HEAD | config | fetched-from | packed-refs
        | objects(/(info|pack|[0-9a-f]{2}(/[0-9a-f]{38,62})?))?
        | objects/pack/pack-[0-9a-f]+[.](pack|idx|rev)
        | refs(/.*)?(?<![.]lock)
    ))?
    """,
    re.VERBOSE,
)


def crash_files(data: DataFolder) -> list[Path]:
    """Return the files and folders that are left if the processes of the data folder are killed."""
    return [
        path
        for path in data.root.rglob("*")
        if not _LASTING.fullmatch(path.relative_to(data.root).as_posix())
    ]
