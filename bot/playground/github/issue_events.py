"""Events of an issue: labels added and removed. GitHub has more kinds, which the bot does not read."""

from typing import Any

from bot.playground import label_events
from bot.playground.calls import Answer, Call
from bot.playground.github import json_shapes
from bot.playground.github.calls import Route, page, thread
from bot.playground.label_event_rows import LabelEvent


def every(call: Call) -> Answer:
    return page(call, label_events.of(call, thread(call)), lambda row: _shown(call, row))


def _shown(call: Call, row: LabelEvent) -> dict[str, Any]:
    return {
        "id": row.id, "node_id": f"LE_{row.id}",
        "url": f"{json_shapes.api_url(call.state, call.where)}/issues/events/{row.id}",
        "actor": json_shapes.user(call.state, row.author), "event": "labeled" if row.added else "unlabeled",
        "commit_id": None, "commit_url": None, "created_at": row.created_at,
        "label": {"name": row.label, "color": "ededed"}, "performed_via_github_app": None,
    }  # fmt: skip


ROUTES = (Route("GET", "/issues/{number:int}/events", "read", every),)
