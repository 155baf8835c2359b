"""The reader of GitHub's webhook bodies. No I/O.

It reads only the fields that it needs: some of GitHub's examples do not match GitHub's own schemas, so a
payload is never validated as a whole.
"""

from collections.abc import Callable

from pydantic_core import from_json

from bot.domain.event import Assigned, Commented, Event, Labelled, label_key
from bot.domain.thread import Actor, Kind, Part, ReplyTarget, Thread
from bot.forges.addresses import full_name
from bot.forges.payload import at, count, get, login, name, number, text, time, written_time
from bot.forges.prompt_parts import lines_part, thread_part


def parse(event: str, body: bytes, web: str = "https://github.com") -> list[Event]:
    """Read one delivery; [] if nothing in it concerns the bot.

    Repositories are below `web`: addresses in the delivery are ignored. Raises ValueError with the name of
    a needed field that is missing.
    """
    actions = _EVENTS.get(event)
    if actions is None:
        return []
    payload = from_json(body, allow_inf_nan=False)
    read = actions.get(get(payload, "action", str))
    parsed = read(payload, web) if read else None
    return [] if parsed is None else [parsed]


def _commented(payload: object, web: str) -> Commented:
    comment_id = get(payload, "comment.id", int)
    thread = _thread(payload, web, "issue")
    return Commented(
        cause=f"comment:{comment_id}",
        thread=thread,
        actor=_author(payload, "comment.user"),
        at=time(payload, "comment.created_at"),
        context=(_thread_part(payload, thread, "issue"),),
        reply_target=ReplyTarget(comment_id=comment_id),
        body=get(payload, "comment.body", str),
    )


def _commented_inline(payload: object, web: str) -> Commented:
    comment_id = get(payload, "comment.id", int)
    thread = _thread(payload, web, "pull_request")
    # The id of a discussion is that of its first comment. An outdated comment has no line any more.
    first = number(payload, "comment.in_reply_to_id") or comment_id
    line = count(payload, "comment.line") or count(payload, "comment.original_line")
    lines = lines_part(text(payload, "comment.path"), line, text(payload, "comment.diff_hunk"))
    return Commented(
        cause=f"review-comment:{comment_id}",
        thread=thread,
        actor=_author(payload, "comment.user"),
        at=time(payload, "comment.created_at"),
        context=(lines, _thread_part(payload, thread, "pull_request")),
        head=text(payload, "pull_request.head.sha"),
        reply_target=ReplyTarget(comment_id=comment_id, discussion=str(first)),
        body=get(payload, "comment.body", str),
    )


def _reviewed(payload: object, web: str) -> Commented:
    thread = _thread(payload, web, "pull_request")
    return Commented(
        cause=f"review:{get(payload, 'review.id', int)}",
        thread=thread,
        actor=_author(payload, "review.user"),
        at=time(payload, "review.submitted_at"),
        context=(_thread_part(payload, thread, "pull_request"),),
        head=text(payload, "pull_request.head.sha"),
        reply_target=ReplyTarget(),  # GitHub has no reactions to reviews
        body=text(payload, "review.body"),
    )


def _labelled(payload: object, web: str) -> Labelled:
    subject = _subject(payload)
    thread = _thread(payload, web, subject)
    label = name(payload, "label.name")
    when = time(payload, f"{subject}.updated_at")
    return Labelled(
        cause=label_key(thread, label, when),
        thread=thread,
        actor=_actor(payload, "sender"),
        at=when,
        context=(_thread_part(payload, thread, subject),),
        head=text(payload, f"{subject}.head.sha"),
        label=label,
    )


def _assigned(payload: object, web: str) -> Assigned | None:
    return _to_somebody(payload, web, "assignee", review=False)


def _review_requested(payload: object, web: str) -> Assigned | None:
    return _to_somebody(payload, web, "requested_reviewer", review=True)


def _to_somebody(payload: object, web: str, who: str, *, review: bool) -> Assigned | None:
    """Read an assignment or a request for a review; None if it is for a team."""
    if at(payload, who) is None:
        return None
    subject = _subject(payload)
    thread = _thread(payload, web, subject)
    when = f"{subject}.updated_at"
    word = "review-requested" if review else "assigned"
    return Assigned(
        cause=f"{word}:{thread.kind}/{thread.number}:{get(payload, when, str)}",
        thread=thread,
        actor=_actor(payload, "sender"),
        at=time(payload, when),
        context=(_thread_part(payload, thread, subject),),
        head=text(payload, f"{subject}.head.sha"),
        assignee_id=get(payload, f"{who}.id", int),
        review=review,
    )


_EVENTS: dict[str, dict[str, Callable[[object, str], Event | None]]] = {
    "issue_comment": {"created": _commented},
    "issues": {"labeled": _labelled, "assigned": _assigned},
    "pull_request": {
        "labeled": _labelled,
        "assigned": _assigned,
        "review_requested": _review_requested,
    },
    "pull_request_review": {"submitted": _reviewed},
    "pull_request_review_comment": {"created": _commented_inline},
}
EVENTS = frozenset(_EVENTS)  # values of X-GitHub-Event; no others concern the bot


def _subject(payload: object) -> str:
    return "issue" if at(payload, "pull_request") is None else "pull_request"


def _thread_part(payload: object, thread: Thread, subject: str) -> Part:
    return thread_part(
        thread,
        text(payload, f"{subject}.body"),
        author=text(payload, f"{subject}.user.login"),
        at=written_time(payload, f"{subject}.created_at"),
    )


def _thread(payload: object, web: str, subject: str) -> Thread:
    # Some payloads have a pull request as an issue with this mark.
    change = subject == "pull_request" or at(payload, f"{subject}.pull_request") is not None
    path = full_name(payload, "repository.full_name")
    return Thread(
        forge="github",
        repository_id=get(payload, "repository.id", int),
        repository_url=f"{web}/{path}",
        path=path,
        kind=Kind.CHANGE if change else Kind.ISSUE,
        number=get(payload, f"{subject}.number", int),
        title=text(payload, f"{subject}.title"),
    )


def _author(payload: object, path: str) -> Actor:
    """Read the author of a new text. Raises ValueError if another account sent the delivery."""
    actor = _actor(payload, path)
    if actor.id != get(payload, "sender.id", int):
        raise ValueError(f"{path} is not the sender")
    return actor


def _actor(payload: object, path: str) -> Actor:
    return Actor(
        id=get(payload, f"{path}.id", int),
        login=login(payload, f"{path}.login"),
        bot=get(payload, f"{path}.type", str) == "Bot",
    )
