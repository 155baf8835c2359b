"""Who put a label on an issue or a merge request, and who took it off."""

from typing import Any

from bot.playground import api_events
from bot.playground.calls import Answer, Call
from bot.playground.gitlab import shapes
from bot.playground.gitlab.calls import KINDS, page, thread
from bot.playground.label_events import LabelEvent
from bot.playground.state import Issue, Label


def every(call: Call) -> Answer:
    row = thread(call)
    return page(call, api_events.of(call, row), lambda event: _shown(call, row, event))


def _shown(call: Call, row: Issue, event: LabelEvent) -> dict[str, Any]:
    wanted = (call.where.id, event.label)
    label = call.state.first(Label, lambda found: (found.repository, found.name) == wanted)
    return {
        "id": event.id, "user": shapes.user(call.state, event.author),
        "created_at": shapes.at(event.created_at), "resource_type": KINDS[shapes.kind(row)],
        "resource_id": row.id, "label": shapes.label(label) if label else None,
        "action": "add" if event.added else "remove",
    }  # fmt: skip
