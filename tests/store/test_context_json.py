"""The JSON form of a run's context, also that of earlier releases."""

import json
from typing import Any

import pytest

from bot.domain.thread import DiffExcerpt, Part, PartKind
from bot.store import context_json


def test_parts_are_read_back_unchanged() -> None:
    lines = DiffExcerpt(path="a.py", line=3, hunk="@@ -1 +1 @@\n+a")
    parts = (
        Part(kind=PartKind.LINES, text="", excerpt=lines),
        Part(kind=PartKind.LINES_COMMENT, text="Why?", author="ann", at="2026-11-02", excerpt=lines),
        *(Part(kind=kind, text="It is said.", left_out=7) for kind in PartKind),
    )

    assert context_json.load(context_json.dump(parts)) == parts


@pytest.mark.parametrize(
    ("heading", "kind"),
    [
        ("The thread this was asked on", PartKind.THREAD),
        ("The change this was asked on", PartKind.CHANGE),
        ("The lines this was said about", PartKind.LINES),
        ("A comment on the thread", PartKind.COMMENT),
        ("A comment on lines of the change", PartKind.LINES_COMMENT),
        ("A review of the change", PartKind.REVIEW),
        ("Older comments", PartKind.OMISSION),
        ("A heading that nobody knows", PartKind.COMMENT),
    ],
)
def test_a_row_with_a_heading_is_read(heading: str, kind: PartKind) -> None:
    """Rows of commit 3cf686a contain the heading of the prompt, and the lines of the diff in the text."""
    row: dict[str, Any] = {"what": heading, "text": "It.", "author": "ann", "at": "2026-11-02", "left_out": 7}

    assert context_json.load(json.dumps([row])) == (
        Part(kind=kind, text="It.", author="ann", at="2026-11-02", left_out=7),
    )
