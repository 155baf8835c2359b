"""The history of labels on issues and changes, for both forges."""

from bot.playground.calls import Call
from bot.playground.label_event_rows import LabelEvent
from bot.playground.state import Issue, now


def record(call: Call, before: tuple[str, ...], issue: Issue) -> None:
    """Record how the labels of `issue` differ from `before`."""
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
    """Return the label events of an issue, oldest first."""
    return call.state.all(LabelEvent, lambda row: row.subject == issue.id)
