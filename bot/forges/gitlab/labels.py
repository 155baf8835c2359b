"""The search for labels whose delivery was lost.

It returns the events that deliveries would have brought. The lists of issues and merge requests do not
contain who added a label, and when, so the label events of each thread are read too.
"""

from collections.abc import Collection, Iterator
from urllib.parse import urlencode

from bot.domain.change import Repository
from bot.domain.event import Labelled, label_key
from bot.domain.thread import Actor, Kind, Thread
from bot.forges.gitlab.client import GitLabClient
from bot.forges.gitlab.events import BOT
from bot.forges.payload import at, get, listed, login, may_be_true, name, text, time, written_time
from bot.forges.prompt_parts import thread_part

_PAGE = 100  # rows: GitLab's maximum
_SERIES = {"issues": Kind.ISSUE, "merge_requests": Kind.CHANGE}


def find(client: GitLabClient, repository: Repository, labels: Collection[str]) -> list[Labelled]:
    """Return the open issues and changes that have one of these labels now."""
    return [
        event
        for label in labels
        for series in _SERIES
        for event in _with_label(client, repository, label, series=series)
    ]


def _with_label(
    client: GitLabClient, repository: Repository, label: str, *, series: str
) -> Iterator[Labelled]:
    place = f"/projects/{repository.id}/{series}"
    filters = {"labels": label, "state": "opened", "scope": "all", "order_by": "updated_at"}
    query = urlencode({**filters, "per_page": _PAGE})
    answer = client.ask("GET", f"{place}?{query}", accepted=(403, 404))
    # 403 and 404: issues or merge requests are disabled.
    for issue in listed(answer.data) if answer.status == 200 else []:
        added = _newest_addition(client, f"{place}/{get(issue, 'iid', int)}/resource_label_events", label)
        if added is not None:
            yield _labelled(repository, issue, added, kind=_SERIES[series])


def _newest_addition(client: GitLabClient, path: str, label: str) -> object | None:
    """Return the newest event that added the label; None if there is none with a known account."""
    path = f"{path}?per_page={_PAGE}"
    answer = client.ask("GET", path)
    events, pages = listed(answer.data), answer.headers.get("X-Total-Pages", "")
    if pages.isdecimal() and int(pages) > 1:
        events = events + listed(client.ask("GET", f"{path}&page={pages}").data)
    additions = [event for event in events if _adds(event, label)]
    return max(additions, key=lambda event: (time(event, "created_at"), get(event, "id", int)), default=None)


def _adds(event: object, label: str) -> bool:
    named = text(event, "label.name") == label
    return at(event, "action") == "add" and named and at(event, "user") is not None


def _labelled(repository: Repository, issue: object, added: object, *, kind: Kind) -> Labelled:
    thread = Thread(
        forge="gitlab",
        repository_id=repository.id,
        repository_url=repository.url,
        path=repository.path,
        kind=kind,
        number=get(issue, "iid", int),
        title=text(issue, "title"),
        confidential=may_be_true(issue, "confidential"),
    )
    label, when = name(added, "label.name"), time(added, "created_at")
    username = login(added, "user.username")
    by, opened = text(issue, "author.username"), written_time(issue, "created_at")
    return Labelled(
        cause=label_key(thread, label, when),
        thread=thread,
        actor=Actor(id=get(added, "user.id", int), login=username, bot=BOT.match(username) is not None),
        at=when,
        context=(thread_part(thread, text(issue, "description"), author=by, at=opened),),
        head=text(issue, "sha"),
        label=label,
        changed_at=time(issue, "updated_at"),
    )
