"""Label events of an issue or a merge request."""

from typing import Any

from bot.playground import label_events
from bot.playground.calls import Answer, Call
from bot.playground.gitlab import json_shapes
from bot.playground.gitlab.calls import KINDS, page, thread
from bot.playground.label_event_rows import LabelEvent
from bot.playground.state import Issue, Label


def every(call: Call) -> Answer:
    row = thread(call)
    return page(call, label_events.of(call, row), lambda event: _shown(call, row, event))


def _shown(call: Call, row: Issue, event: LabelEvent) -> dict[str, Any]:
    wanted = (call.where.id, event.label)
    label = call.state.first(Label, lambda found: (found.repository, found.name) == wanted)
    return {
        "id": event.id, "user": json_shapes.user(call.state, event.author),
        "created_at": json_shapes.at(event.created_at), "resource_type": KINDS[json_shapes.kind(row)],
        "resource_id": row.id, "label": json_shapes.label(label) if label else None,
        "action": "add" if event.added else "remove",
    }  # fmt: skip
