"""The sentence on folders that stay in the workspace, and the list from which it is made."""

import pytest

from bot.sandbox.export.unexported import UnexportedFolder, parse, sentence

LIB = UnexportedFolder(b"lib", 1, is_submodule=True)
TREE = UnexportedFolder(b"wt/a`b\n@ann", 1200, is_submodule=False)


@pytest.mark.parametrize(
    ("content", "folders"),
    [
        (b"", []),
        (b"submodule 1 lib\0repository 1200 wt/a`b\n@ann\0", [LIB, TREE]),
        (b"submodule 1 lib\0repository 3 cut o", [LIB]),
        (b"other 1 a\0submodule x a\0submodule 1 \0submodule 1 lib\0", [LIB]),
    ],
)
def test_the_list_is_parsed_and_invalid_items_are_skipped(
    content: bytes, folders: list[UnexportedFolder]
) -> None:
    assert parse(content) == folders


def test_folders_are_named_with_their_kind_and_number_of_files() -> None:
    assert sentence([]) == ""
    assert sentence([LIB, TREE]) == (
        "Not exported, but still in the workspace: `lib/` (a submodule that was not fetched, 1 file), "
        "`wt/a'b @ann/` (a repository of its own, 1,200 files)."
    )
    assert sentence([LIB] * 7).endswith("1 file) and 2 more.")
