"""The JSON form of a run's context, as the column `runs.context` holds it: a list of parts."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from bot.domain.thread import DiffExcerpt, Part, PartKind

# Rows written before parts had kinds hold the heading of the prompt in the key `what` instead. Their
# text includes the lines of the diff, so they have no excerpt.
_HEADINGS = {
    "The thread this was asked on": PartKind.THREAD,
    "The change this was asked on": PartKind.CHANGE,
    "The lines this was said about": PartKind.LINES,
    "A comment on the thread": PartKind.COMMENT,
    "A comment on lines of the change": PartKind.LINES_COMMENT,
    "A review of the change": PartKind.REVIEW,
    "Older comments": PartKind.OMISSION,
}


def dump(context: Sequence[Part]) -> str:
    """Return the column's value for these parts."""
    return json.dumps([asdict(part) for part in context])


def load(column: str) -> tuple[Part, ...]:
    """Read the column's value, also of a row of an earlier release."""
    return tuple(_part(fields) for fields in json.loads(column))


def _part(fields: dict[str, Any]) -> Part:
    if heading := fields.pop("what", ""):
        return Part(kind=_HEADINGS.get(heading, PartKind.COMMENT), **fields)
    excerpt = fields.pop("excerpt")
    return Part(
        **fields | {"kind": PartKind(fields["kind"])}, excerpt=DiffExcerpt(**excerpt) if excerpt else None
    )
