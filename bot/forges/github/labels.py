"""The search for labels whose delivery was lost.

It returns the events that deliveries would have brought. The list of issues does not contain who added a
label, and when, so the events of each thread are read too.
"""

from collections.abc import Collection, Iterator
from urllib.parse import urlencode

from bot.domain.change import Repository
from bot.domain.event import Labelled, label_key
from bot.domain.thread import Actor, Kind, Thread
from bot.forges.github.client import PAGE, GitHubClient, newest
from bot.forges.payload import at, get, listed, login, name, text, time, written_time
from bot.forges.prompt_parts import thread_part


def find(client: GitHubClient, repository: Repository, labels: Collection[str]) -> list[Labelled]:
    """Return the open issues and changes that have one of these labels now."""
    return [event for label in labels for event in _with_label(client, repository, label)]


def _with_label(client: GitHubClient, repository: Repository, label: str) -> Iterator[Labelled]:
    issues = f"/repositories/{repository.id}/issues"
    query = urlencode({"labels": label, "state": "open", "sort": "updated", "per_page": PAGE})
    for issue in listed(client.ask("GET", f"{issues}?{query}").data):
        events = newest(client, f"{issues}/{get(issue, 'number', int)}/events")
        added = [event for event in events if _adds(event, label)]
        if added:
            yield _labelled(repository, issue, added[-1])


def _adds(event: object, label: str) -> bool:
    """Report whether an event added this label. An event of a deleted account does not count."""
    named = text(event, "label.name").lower() == label.lower()
    return at(event, "event") == "labeled" and named and at(event, "actor") is not None


def _labelled(repository: Repository, issue: object, added: object) -> Labelled:
    thread = Thread(
        forge="github",
        repository_id=repository.id,
        repository_url=repository.url,
        path=repository.path,
        kind=Kind.CHANGE if at(issue, "pull_request") is not None else Kind.ISSUE,
        number=get(issue, "number", int),
        title=text(issue, "title"),
    )
    label, when = name(added, "label.name"), time(added, "created_at")
    by, opened = text(issue, "user.login"), written_time(issue, "created_at")
    return Labelled(
        cause=label_key(thread, label, when),
        thread=thread,
        actor=Actor(
            id=get(added, "actor.id", int),
            login=login(added, "actor.login"),
            bot=get(added, "actor.type", str) == "Bot",
        ),
        at=when,
        context=(thread_part(thread, text(issue, "body"), author=by, at=opened),),
        label=label,
        changed_at=time(issue, "updated_at"),
    )
