"""The files that only processes at work have in a data folder."""

import re
from pathlib import Path

from bot.store.data_folder import DataFolder

# Locks of git below a repository, partial objects and packs, temporary repositories, and drafts.
_TEMPORARY = re.compile(r".*[.]git/.*[.]lock|.*/tmp_[a-z]+_[^/]+|.*[.]incoming|.*[.][0-9a-f]{32}")


def crash_files(data: DataFolder) -> list[Path]:
    """Return the files and folders that are left if the processes of the data folder are killed."""
    found = [path for path in data.root.rglob("*") if not path.is_relative_to(data.workspaces)]
    return [
        path
        for path in found
        if path.parent in (data.workers, data.gateways) or _TEMPORARY.fullmatch(str(path))
    ]
