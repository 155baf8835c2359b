"""Who put on the labels that threads wear now: what a delivery tells, asked for.

The list of issues tells neither who put a label on nor when, so each thread's
own events are asked as well.
"""

from collections.abc import Collection, Iterator
from urllib.parse import urlencode

from bot.domain.change import Repository
from bot.domain.event import Labelled, label_key
from bot.domain.thread import Actor, Kind, Thread
from bot.forges.github.client import PAGE, GitHubClient, newest
from bot.forges.parts import thread_part
from bot.forges.payload import at, get, login, name, text, time


def find(client: GitHubClient, repository: Repository, labels: Collection[str]) -> list[Labelled]:
    return [event for label in labels for event in _wearing(client, repository, label)]


def _wearing(client: GitHubClient, repository: Repository, label: str) -> Iterator[Labelled]:
    issues = f"/repositories/{repository.id}/issues"
    query = urlencode({"labels": label, "state": "open", "sort": "updated", "per_page": PAGE})
    for shown in client.ask("GET", f"{issues}?{query}").data:
        events = newest(client, f"{issues}/{get(shown, 'number', int)}/events")
        put_on = [event for event in events if _tells(event, label)]
        if put_on:
            yield _labelled(repository, shown, put_on[-1])


def _tells(event: object, label: str) -> bool:
    """Not where the account of who did it is gone."""
    named = text(event, "label.name").lower() == label.lower()
    return at(event, "event") == "labeled" and named and at(event, "actor") is not None


def _labelled(repository: Repository, shown: object, put_on: object) -> Labelled:
    thread = Thread(
        forge="github",
        repository_id=repository.id,
        repository_url=repository.url,
        path=repository.path,
        kind=Kind.CHANGE if at(shown, "pull_request") is not None else Kind.ISSUE,
        number=get(shown, "number", int),
        title=text(shown, "title"),
    )
    label, when = name(put_on, "label.name"), time(put_on, "created_at")
    by, opened = text(shown, "user.login"), text(shown, "created_at")
    return Labelled(
        cause=label_key(thread, label, when),
        thread=thread,
        actor=Actor(
            id=get(put_on, "actor.id", int),
            login=login(put_on, "actor.login"),
            bot=get(put_on, "actor.type", str) == "Bot",
        ),
        at=when,
        context=(thread_part(thread, text(shown, "body"), author=by, at=opened),),
        label=label,
        changed_at=time(shown, "updated_at"),
    )
