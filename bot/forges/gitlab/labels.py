"""Who put on the labels that threads wear now: what a delivery tells, asked for.

The lists of issues and merge requests tell neither who put a label on nor when,
so each thread's own label events are asked as well.
"""

from collections.abc import Collection, Iterator
from urllib.parse import urlencode

from bot.domain.change import Repository
from bot.domain.event import Labelled, label_key
from bot.domain.thread import Actor, Kind, Thread
from bot.forges.gitlab.client import GitLabClient
from bot.forges.gitlab.events import BOT
from bot.forges.parts import thread_part
from bot.forges.payload import at, get, login, name, text, time

_PAGE = 100  # the most GitLab gives at once
_SERIES = {"issues": Kind.ISSUE, "merge_requests": Kind.CHANGE}


def find(client: GitLabClient, repository: Repository, labels: Collection[str]) -> list[Labelled]:
    return [
        event
        for label in labels
        for series in _SERIES
        for event in _wearing(client, repository, label, series=series)
    ]


def _wearing(client: GitLabClient, repository: Repository, label: str, *, series: str) -> Iterator[Labelled]:
    place = f"/projects/{repository.id}/{series}"
    wanted = {"labels": label, "state": "opened", "scope": "all", "order_by": "updated_at"}
    query = urlencode({**wanted, "per_page": _PAGE})
    answer = client.ask("GET", f"{place}?{query}", fine=(403, 404))
    for shown in answer.data if answer.status == 200 else []:  # a project may have no issues, or no changes
        put_on = _put_on(client, f"{place}/{get(shown, 'iid', int)}/resource_label_events", label)
        if put_on is not None:
            yield _labelled(repository, shown, put_on, kind=_SERIES[series])


def _put_on(client: GitLabClient, path: str, label: str) -> object | None:
    """The newest event that put the label on; None where it is not told, or not by whom."""
    path = f"{path}?per_page={_PAGE}"
    answer = client.ask("GET", path)
    events, pages = answer.data, answer.headers.get("X-Total-Pages", "")
    if pages.isdecimal() and int(pages) > 1:
        events = events + client.ask("GET", f"{path}&page={pages}").data
    told = [event for event in events if _tells(event, label)]
    return max(told, key=lambda event: (time(event, "created_at"), get(event, "id", int)), default=None)


def _tells(event: object, label: str) -> bool:
    named = text(event, "label.name") == label
    return at(event, "action") == "add" and named and at(event, "user") is not None


def _labelled(repository: Repository, shown: object, put_on: object, *, kind: Kind) -> Labelled:
    thread = Thread(
        forge="gitlab",
        repository_id=repository.id,
        repository_url=repository.url,
        path=repository.path,
        kind=kind,
        number=get(shown, "iid", int),
        title=text(shown, "title"),
        confidential=at(shown, "confidential") is True,
    )
    label, when = name(put_on, "label.name"), time(put_on, "created_at")
    username = login(put_on, "user.username")
    by, opened = text(shown, "author.username"), text(shown, "created_at")
    return Labelled(
        cause=label_key(thread, label, when),
        thread=thread,
        actor=Actor(id=get(put_on, "user.id", int), login=username, bot=BOT.match(username) is not None),
        at=when,
        context=(thread_part(thread, text(shown, "description"), author=by, at=opened),),
        head=text(shown, "sha"),
        label=label,
        changed_at=time(shown, "updated_at"),
    )
