"""Deliveries of GitLab, in the formats of its documentation, and the events in them."""

import json
from functools import partial
from typing import Any

from bot.domain.thread import Actor, Kind, Thread
from bot.forges.gitlab import events

Payload = dict[str, Any]


WEB = "http://example.com"
parse = partial(events.parse, web=WEB)


ROOT = Actor(id=1, login="root")
USER = {"id": 1, "name": "Administrator", "username": "root", "email": "admin@example.com"}
PROJECT = {
    "id": 5,
    "name": "Gitlab Test",
    "web_url": "http://example.com/gitlab-org/gitlab-test",
    "namespace": "Gitlab Org",
    "path_with_namespace": "gitlab-org/gitlab-test",
    "default_branch": "master",
}
API = {"id": 206, "title": "API", "type": "ProjectLabel"}
PLATFORM = {"id": 205, "title": "Platform", "type": "ProjectLabel"}
ANN = {"id": 6, "name": "User1", "username": "user1"}
BOB = {"id": 51, "name": "User2", "username": "user2"}


def note_on(subject: str, about: Payload, /, **attributes: Any) -> Payload:
    """Return a Note Hook, as documented."""
    return {
        "object_kind": "note",
        "event_type": "note",
        "user": dict(USER),
        "project_id": 5,
        "project": dict(PROJECT),
        "object_attributes": {
            "id": 1241,
            "note": "/run tidy",
            "noteable_type": {"issue": "Issue", "merge_request": "MergeRequest"}.get(subject, subject),
            "author_id": 1,
            "created_at": "2015-05-17 17:06:40 UTC",
            "updated_at": "2015-05-17 17:06:40 UTC",
            "discussion_id": "d1",
            "type": None,
            "system": False,
            "st_diff": None,
            "action": "create",
            **attributes,
        },
        subject: about,
    }


def note_on_issue(**attributes: Any) -> Payload:
    about = {"id": 92, "iid": 17, "title": "test", "author_id": 1, "description": "Do it.", "state": "closed"}
    about |= {"created_at": "2015-04-12 14:53:17 UTC", "confidential": False}
    return note_on("issue", about, **attributes)


def note_on_change(**attributes: Any) -> Payload:
    about = {"id": 7, "iid": 1, "title": "Tempora", "author_id": 8, "description": None, "state": "opened"}
    about |= {"source_project_id": 5, "target_project_id": 5, "created_at": "2015-03-01 20:12:53 UTC"}
    about |= {"last_commit": {"id": "562e173be03b8ff2efb05345d12df18815438a4b", "title": "Merge"}}
    return note_on("merge_request", about, **attributes)


def changes_hook(kind: str, changes: Payload, /, action: str = "update", **attributes: Any) -> Payload:
    """Return an Issue Hook or a Merge Request Hook, as documented."""
    return {
        "object_kind": kind,
        "event_type": kind,
        "user": dict(USER),
        "project": dict(PROJECT),
        "object_attributes": {
            "id": 301,
            "iid": 23,
            "title": "New API",
            "author_id": 51,
            "description": "Create new API",
            "created_at": "2013-12-03T17:15:43Z",
            "updated_at": "2017-09-15 16:52:00 UTC",
            "assignee_ids": [51],
            "confidential": False,
            "action": action,
            **attributes,
        },
        "labels": [API],
        "assignees": [BOB],
        "changes": {"updated_by_id": {"previous": None, "current": 1}, **changes},
    }


def raw(payload: object) -> bytes:
    return json.dumps(payload).encode()


def read(event: str, payload: Payload) -> Any:
    (one,) = parse(event, raw(payload))
    return one


def thread(kind: Kind, number: int, title: str) -> Thread:
    return Thread(
        forge="gitlab",
        repository_id=5,
        repository_url="http://example.com/gitlab-org/gitlab-test",
        path="gitlab-org/gitlab-test",
        kind=kind,
        number=number,
        title=title,
    )
