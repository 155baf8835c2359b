"""Real deliveries of GitHub, and the events in them."""

import json
from typing import Any

from bot.domain.thread import Actor, Kind, Thread
from bot.forges.github.events import parse
from tests.oracles.payloads import examples

ANN = Actor(id=21031067, login="Codertocat")

Payload = dict[str, Any]


def real(event: str, action: str) -> Payload:
    """Return the first real delivery of an event and action."""
    return examples(event, action)[0]


def thread(kind: Kind, number: int, title: str) -> Thread:
    return Thread(
        forge="github",
        repository_id=186853002,
        repository_url="https://github.com/Codertocat/Hello-World",
        path="Codertocat/Hello-World",
        kind=kind,
        number=number,
        title=title,
    )


def read(event: str, payload: Payload) -> Any:
    (one,) = parse(event, json.dumps(payload).encode())
    return one


# The events and actions that the bot reads.
SAYS = {
    ("issue_comment", "created"),
    ("issues", "assigned"),
    ("issues", "labeled"),
    ("pull_request", "assigned"),
    ("pull_request", "labeled"),
    ("pull_request", "review_requested"),
    ("pull_request_review", "submitted"),
    ("pull_request_review_comment", "created"),
}
