"""Folders whose content stays in the workspace: repositories within the clone, and submodules."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from os import fsdecode

from bot.sandbox.export.refusals import shown

_ITEM = re.compile(rb"(submodule|repository) (\d{1,10}) (.{1,4096})", re.DOTALL)
_NAMED = 5  # folders in a sentence


@dataclass(frozen=True, slots=True)
class UnexportedFolder:
    """A folder that is not exported."""

    path: bytes  # without a slash at the end
    files: int  # number of files in it, without those in its .git
    is_submodule: bool  # of a commit that the host has

    @property
    def pathspec(self) -> str:
        """Return git's pathspec for the folder and its content."""
        return f":(literal){fsdecode(self.path)}"


def parse(content: bytes) -> list[UnexportedFolder]:
    """Parse the list that the export container sent; invalid and incomplete items are skipped."""
    items = map(_ITEM.fullmatch, content.split(b"\0")[:-1])
    return [UnexportedFolder(item[3], int(item[2]), item[1] == b"submodule") for item in items if item]


def sentence(folders: Sequence[UnexportedFolder]) -> str:
    """Return a sentence in Markdown that names the folders; "" if there are none."""
    if not folders:
        return ""
    listed = ", ".join(_named(folder) for folder in folders[:_NAMED])
    more = f" and {len(folders) - _NAMED} more" if len(folders) > _NAMED else ""
    return f"Not exported, but still in the workspace: {listed}{more}."


def _named(folder: UnexportedFolder) -> str:
    kind = "a submodule that was not fetched" if folder.is_submodule else "a repository of its own"
    return f"`{shown(folder.path)}/` ({kind}, {folder.files:,} file{'' if folder.files == 1 else 's'})"
