"""What happened to an issue, as far as anybody asks: who put a label on, and who took it off."""

from typing import Any

from bot.playground import shapes
from bot.playground.calls import Answer, Call, Route, page
from bot.playground.label_events import LabelEvent
from bot.playground.state import Issue, now


def labels_changed(call: Call, before: tuple[str, ...], issue: Issue) -> None:
    """Remember what became of the labels of `issue`, which were `before`."""
    put_on = [(name, True) for name in issue.labels if name not in before]
    taken_off = [(name, False) for name in before if name not in issue.labels]
    for name, added in put_on + taken_off:
        call.state.put(
            LabelEvent(
                id=call.state.new_id(), subject=issue.id, author=call.login, label=name, added=added,
                created_at=now(),
            )
        )  # fmt: skip


def of(call: Call, issue: Issue) -> list[LabelEvent]:
    """Oldest first."""
    return call.state.all(LabelEvent, lambda row: row.subject == issue.id)


def every(call: Call) -> Answer:
    return page(call, of(call, call.issue()), lambda row: _shown(call, row))


def _shown(call: Call, row: LabelEvent) -> dict[str, Any]:
    return {
        "id": row.id, "node_id": f"LE_{row.id}",
        "url": f"{shapes.api_url(call.state, call.where)}/issues/events/{row.id}",
        "actor": shapes.user(call.state, row.author), "event": "labeled" if row.added else "unlabeled",
        "commit_id": None, "commit_url": None, "created_at": row.created_at,
        "label": {"name": row.label, "color": "ededed"}, "performed_via_github_app": None,
    }  # fmt: skip


ROUTES = (Route("GET", "/issues/{number:int}/events", "read", every),)
