"""The reader of GitLab's webhook bodies. No I/O.

Versions of GitLab differ, and both a project's hook and its group's hook may report one action. So
idempotency keys are made only of fields that all of them have. If a field is missing because the version
is older than the field, it has the meaning that the older version had.
"""

import re
from collections.abc import Iterator

from pydantic_core import from_json

from bot.domain.event import Assigned, Commented, Event, Labelled, label_key
from bot.domain.thread import Actor, Kind, Part, ReplyTarget, Thread
from bot.forges.addresses import full_name
from bot.forges.payload import (
    at,
    count,
    get,
    login,
    may_be_true,
    name,
    number,
    text,
    time,
    word,
    written_time,
)
from bot.forges.prompt_parts import lines_part, thread_part

# The values of X-Gitlab-Event that concern the bot.
EVENTS = frozenset(
    {
        "Note Hook",
        "Confidential Note Hook",
        "Issue Hook",
        "Confidential Issue Hook",
        "Merge Request Hook",
    }
)
_CHANGED = {"issue": Kind.ISSUE, "work_item": Kind.ISSUE, "merge_request": Kind.CHANGE}
_NOTED = {"Issue": ("issue", Kind.ISSUE), "MergeRequest": ("merge_request", Kind.CHANGE)}
_ABOUT = "object_attributes"

# Hooks do not report whether an account is a bot. GitLab gives these names to the users behind project and
# group tokens and, by default, to service accounts
# (docs.gitlab.com: "Project access tokens", "Group service accounts API").
BOT = re.compile(r"(project|group)_\d+_bot|service_account_")


def parse(event: str, body: bytes, web: str = "https://gitlab.com") -> list[Event]:
    """Read one delivery; [] if nothing in it concerns the bot.

    `event` is its X-Gitlab-Event. Repositories are below `web`: addresses in the delivery are ignored.
    Raises ValueError with the name of a needed field that is missing.
    """
    if event not in EVENTS:
        return []
    payload = from_json(body, allow_inf_nan=False)
    kind = get(payload, "object_kind", str)
    if at(payload, "project") is None:
        return []  # an epic belongs to a group
    if kind == "note":
        return _commented(payload, web, event)
    return list(_changed(payload, web, _CHANGED[kind], event)) if kind in _CHANGED else []


def _commented(payload: object, web: str, event: str) -> list[Event]:
    """Read a new comment. Until 16.11, hooks had no `action` and did not report edits."""
    noted = _NOTED.get(get(payload, f"{_ABOUT}.noteable_type", str))
    new = text(payload, f"{_ABOUT}.action") in {"", "create"}
    if noted is None or not new or at(payload, f"{_ABOUT}.system") is True:
        return []
    subject, kind = noted
    hidden = _is_hidden(payload, event)
    # Without a field of its own, the issue may be confidential, and not only the comment.
    in_doubt = hidden and kind is Kind.ISSUE and at(payload, f"{subject}.confidential") is None
    thread = _thread(payload, web, subject, kind, hidden=in_doubt)
    actor = _author(payload)
    return [
        Commented(
            cause=f"comment:{get(payload, f'{_ABOUT}.id', int)}",
            thread=thread,
            actor=actor,
            at=time(payload, f"{_ABOUT}.created_at"),
            context=(*_lines(payload), _thread_part(payload, thread, subject, actor)),
            head=text(payload, f"{subject}.last_commit.id"),
            reply_target=_reply_target(payload, subject, hidden=hidden),
            body=get(payload, f"{_ABOUT}.note", str),
        )
    ]


def _reply_target(payload: object, subject: str, *, hidden: bool) -> ReplyTarget:
    # A comment outside discussions has a discussion id too.
    in_discussion = at(payload, f"{_ABOUT}.type") in ("DiffNote", "DiscussionNote")
    # A hidden comment on a thread that is not confidential itself is internal.
    internal = may_be_true(payload, f"{_ABOUT}.internal") or may_be_true(payload, f"{_ABOUT}.confidential")
    return ReplyTarget(
        comment_id=get(payload, f"{_ABOUT}.id", int),
        discussion=word(payload, f"{_ABOUT}.discussion_id") if in_discussion else "",
        internal=internal or (hidden and not may_be_true(payload, f"{subject}.confidential")),
    )


def _is_hidden(payload: object, event: str) -> bool:
    """Report whether the name of the event says that only members see its comment or issue."""
    names = (event, text(payload, "event_type"))
    return any(name.lower().startswith("confidential") for name in names)


def _lines(payload: object) -> Iterator[Part]:
    position = f"{_ABOUT}.position"
    if at(payload, f"{_ABOUT}.type") != "DiffNote" or at(payload, position) is None:
        return
    path, line = text(payload, f"{position}.new_path"), count(payload, f"{position}.new_line")
    hunk = text(payload, f"{_ABOUT}.st_diff.diff")
    if line is None and (old := count(payload, f"{position}.old_line")) is not None:
        path = f"{text(payload, f'{position}.old_path')} (line {old} before this change)"
    yield lines_part(path, line, hunk)


def _changed(payload: object, web: str, kind: Kind, event: str) -> Iterator[Event]:
    """Yield the events of one delivery, which reports all changes of one save."""
    labels, assigned, asked = (_added(payload, name) for name in ("labels", "assignees", "reviewers"))
    if not (labels or assigned or asked):
        return
    hidden = _is_hidden(payload, event) or may_be_true(payload, "changes.confidential.current")
    thread = _thread(payload, web, _ABOUT, kind, hidden=hidden)
    for label in labels:
        yield _labelled(payload, thread, name(label, "title"))
    for person in assigned:
        yield _assigned(payload, thread, get(person, "id", int), review=False)
    for person in asked:
        yield _assigned(payload, thread, get(person, "id", int), review=True)


def _labelled(payload: object, thread: Thread, label: str) -> Labelled:
    when, actor = time(payload, f"{_ABOUT}.updated_at"), _actor(payload, get(payload, "user.id", int))
    return Labelled(
        cause=label_key(thread, label, when),
        thread=thread,
        actor=actor,
        at=when,
        context=(_thread_part(payload, thread, _ABOUT, actor),),
        head=text(payload, f"{_ABOUT}.last_commit.id"),
        label=label,
    )


def _assigned(payload: object, thread: Thread, assignee_id: int, *, review: bool) -> Assigned:
    when, actor = f"{_ABOUT}.updated_at", _actor(payload, get(payload, "user.id", int))
    word = "review-requested" if review else "assigned"
    return Assigned(
        cause=f"{word}:{thread.kind}/{thread.number}:{get(payload, when, str)}",
        thread=thread,
        actor=actor,
        at=time(payload, when),
        context=(_thread_part(payload, thread, _ABOUT, actor),),
        head=text(payload, f"{_ABOUT}.last_commit.id"),
        assignee_id=assignee_id,
        review=review,
    )


def _added(payload: object, name: str) -> list[object]:
    """Return the rows of `changes` that are new, and the reviewers who are requested again.

    The hook of a new issue or change may have no `changes`: then every row is new.
    """
    before, now = _listed(payload, f"changes.{name}.previous"), _listed(payload, f"changes.{name}.current")
    if at(payload, f"changes.{name}") is None and at(payload, f"{_ABOUT}.action") == "open":
        ids = _listed(payload, f"{_ABOUT}.{name.removesuffix('s')}_ids")
        now = [{"id": one} for one in ids] or _listed(payload, name)
    known = [at(one, "id") for one in before]
    again = [one for one in now if at(one, "re_requested") is True]
    # Old versions list people without ids: then it is unknown who was added.
    return again + [one for one in now if one not in again and at(one, "id") not in [None, *known]]


def _listed(payload: object, path: str) -> list[object]:
    rows = at(payload, path)
    return rows if isinstance(rows, list) else []


def _thread(payload: object, web: str, subject: str, kind: Kind, *, hidden: bool) -> Thread:
    """Read the thread. It is confidential if `hidden` or its own field says so, or may say so."""
    path = full_name(payload, "project.path_with_namespace", nested=True)
    return Thread(
        forge="gitlab",
        repository_id=get(payload, "project.id", int),
        repository_url=f"{web}/{path}",
        path=path,
        kind=kind,
        number=get(payload, f"{subject}.iid", int),
        title=text(payload, f"{subject}.title"),
        confidential=hidden or may_be_true(payload, f"{subject}.confidential"),
    )


def _thread_part(payload: object, thread: Thread, subject: str, actor: Actor) -> Part:
    """Return the thread's text. The hook has only the author's id, so the name is known only of the actor."""
    own = at(payload, f"{subject}.author_id") == actor.id
    return thread_part(
        thread,
        text(payload, f"{subject}.description"),
        author=actor.login if own else "",
        at=written_time(payload, f"{subject}.created_at"),
    )


def _author(payload: object) -> Actor:
    """Read the comment's author. In old versions the user has no id. If both have one, they must agree."""
    author, user = number(payload, f"{_ABOUT}.author_id"), number(payload, "user.id")
    if author is None or user is None:
        return _actor(payload, user or get(payload, f"{_ABOUT}.author_id", int))
    if author != user:
        raise ValueError(f"{_ABOUT}.author_id is not user.id")
    return _actor(payload, user)


def _actor(payload: object, user_id: int) -> Actor:
    username = login(payload, "user.username")
    return Actor(id=user_id, login=username, bot=BOT.match(username) is not None)
