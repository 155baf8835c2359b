"""The adapter of GitLab: each method of `Forge` as requests to the REST API.

Every path begins with the project's number, which survives renames and transfers. No path is taken from
the links in a response.
"""

import base64
from collections.abc import Callable, Collection
from dataclasses import replace
from urllib.parse import urlencode

from bot.domain.change import (
    BranchChange,
    Change,
    ChangeHead,
    NewChange,
    Pages,
    Repository,
    Status,
)
from bot.domain.errors import ForgeError
from bot.domain.event import Commented, Event, Labelled
from bot.domain.thread import Actor, Kind, Part, PartKind, ReplyTarget, Thread
from bot.forges.addresses import full_name, is_below, web_address
from bot.forges.gitlab import branch_changes, comment_answers, diff_lines, responses, statuses, thread_history
from bot.forges.gitlab.client import GitLabClient, error_text, refuse
from bot.forges.gitlab.events import parse
from bot.forges.gitlab.labels import find
from bot.forges.payload import answered, at, get, listed, login, number, same_id, text

_COMMENT = 1_000_000  # characters
_TITLE = 255  # characters


class GitLab:
    """gitlab.com or a self-managed instance at `url`. The constructor makes no request.

    Repositories are below `web`; "" = below `url`. `read_token` reads the token anew. Raises NotUnderstood if
    an address is invalid.
    """

    name = "gitlab"

    def __init__(
        self, *, url: str, token: str, web: str = "", read_token: Callable[[], str] | None = None
    ) -> None:
        self._web = web_address(web or url, "/api/v4")
        self._client = GitLabClient(url.rstrip("/"), token, read_token)
        self._me: Actor | None = None

    def events(self, event: str, body: bytes) -> list[Event]:
        return parse(event, body, self._web)

    def complete(self, event: Event) -> Event:
        """Add the hunk that a note on a diff is about, if GitLab still shows it."""
        if not isinstance(event, Commented) or not event.context or not event.reply_target.discussion:
            return event
        if event.context[0].kind is not PartKind.LINES:
            return event
        with answered("GitLab"):
            lines = diff_lines.read(self._client, _place(event.thread), event.reply_target)
        return replace(event, context=(lines, *event.context[1:])) if lines else event

    def history_before(self, event: Event) -> list[Part]:
        notes = thread_history.notes(self._client, _place(event.thread))
        with answered("GitLab"):
            return thread_history.before(notes, event, self.whoami())

    def whoami(self) -> Actor:
        if self._me is None:
            me = self._client.ask("GET", "/user").data
            with answered("GitLab"):
                bot = at(me, "bot") is True
                self._me = Actor(id=get(me, "id", int), login=login(me, "username"), bot=bot)
        return self._me

    def may_write(self, thread: Thread, actor: Actor) -> bool:
        answer = self._client.ask("GET", f"{_in(thread)}/members/all/{actor.id}", accepted=(404,))
        return answer.status != 404 and responses.may_push(answer.data)

    def repository(self, repository_id: int) -> Repository:
        data = self._client.ask("GET", f"/projects/{repository_id}").data
        with answered("GitLab"):
            path = full_name(data, "path_with_namespace", nested=True)
            return Repository(
                id=same_id(data, repository_id),
                path=path,
                url=f"{self._web}/{path}",
                default_branch=text(data, "default_branch"),  # an empty project has none
            )

    def change_head(self, thread: Thread) -> ChangeHead:
        data = self._client.ask("GET", _place(thread)).data
        with answered("GitLab"):
            if not text(data, "sha"):
                raise ForgeError("This merge request has no commits.")
        return responses.change_head(data, self.repository(thread.repository_id).default_branch)

    def changes_of(self, thread: Thread, branch: str) -> list[BranchChange]:
        return branch_changes.read(self._client, thread.repository_id, branch)

    def has_label(self, thread: Thread, label: str) -> bool:
        # Labels that differ only in case are different labels to GitLab.
        with answered("GitLab"):
            return label in listed(self._client.ask("GET", _place(thread)).data, "labels")

    def remove_label(self, thread: Thread, label: str) -> None:
        self._client.ask("PUT", _place(thread), json={"remove_labels": label})

    def labelled(self, repository_id: int, labels: Collection[str]) -> list[Labelled]:
        with answered("GitLab"):
            return find(self._client, self.repository(repository_id), labels)

    def add_label(self, thread: Thread, label: str) -> None:
        self._client.ask("PUT", _place(thread), json={"add_labels": label})

    def react(self, thread: Thread, reply_target: ReplyTarget) -> None:
        place = _place(thread) if reply_target.comment_id is None else _note(thread, reply_target.comment_id)
        answer = self._client.ask("POST", f"{place}/award_emoji", json={"name": "eyes"}, accepted=(404,))
        if answer.status == 404 and "already been taken" not in error_text(answer):
            refuse(answer)

    def comment(self, thread: Thread, body: str, reply_target: ReplyTarget) -> int:
        if reply_target.discussion:  # in an internal discussion, every reply is internal
            place = f"{_place(thread)}/discussions/{reply_target.discussion}/notes"
            return responses.comment_id(self._client.ask("POST", place, json={"body": body}))
        fields = {"body": body, "internal": True} if reply_target.internal else {"body": body}
        return responses.comment_id(self._client.ask("POST", f"{_place(thread)}/notes", json=fields))

    def edit_comment(self, thread: Thread, comment_id: int, body: str, reply_target: ReplyTarget) -> None:
        responses.comment_id(self._client.ask("PUT", _note(thread, comment_id), json={"body": body}))

    def find_comments(self, thread: Thread, marker: str, reply_target: ReplyTarget) -> list[int]:
        """Return the ids of the bot's own comments with `marker`, oldest first, among the last 300."""
        me = self.whoami().id
        notes = thread_history.notes(self._client, _place(thread))
        with answered("GitLab"):
            own = [note for note in notes if at(note, "author.id") == me and marker in text(note, "body")]
            return sorted({get(note, "id", int) for note in own})

    def is_answered(self, thread: Thread, comment_id: int, reply_target: ReplyTarget) -> bool:
        with answered("GitLab"):
            place = _place(thread)
            return comment_answers.any_to(self._client, place, comment_id, reply_target, self.whoami())

    def delete_comment(self, thread: Thread, comment_id: int, reply_target: ReplyTarget) -> None:
        self._client.ask("DELETE", _note(thread, comment_id), accepted=(404,))

    def set_status(self, thread: Thread, sha: str, status: Status) -> None:
        answer = statuses.post(self._client, thread.repository_id, sha, status)
        if answer.status == 404 and thread.kind is Kind.CHANGE:
            # No branch of the project has this commit: GitLab accepts its status only at its fork.
            change = self._client.ask("GET", _place(thread)).data
            with answered("GitLab"):
                source = number(change, "source_project_id")
            if source is not None and source != thread.repository_id:
                answer = statuses.post(self._client, source, sha, status)
        if answer.status >= 400 and not statuses.is_set(answer):
            refuse(answer)

    def open_change(self, thread: Thread, request: NewChange) -> Change | None:
        # GitLab also opens a merge request without commits, so the branches are compared first.
        query = urlencode({"from": request.base_branch, "to": request.head_branch})
        answer = self._client.ask("GET", f"{_in(thread)}/repository/compare?{query}", accepted=(404,))
        # 404, a missing branch: the refusal of the next request has the better message.
        if answer.status == 200 and responses.are_equal(answer.data):
            return None
        fields = {
            "source_branch": request.head_branch,
            "target_branch": request.base_branch,
            "title": f"{'Draft: ' if request.draft else ''}{request.title}"[:_TITLE],
            "description": request.body,
        }
        answer = self._client.ask("POST", f"{_in(thread)}/merge_requests", json=fields, accepted=(409,))
        if answer.status == 409:
            return self._find_change(thread, request) or refuse(answer)
        return responses.change(answer.data)

    def git_headers(self, repository_url: str) -> dict[str, str]:
        if not is_below(self._web, repository_url):
            return {}
        # git makes no second try with another token, so the settings are read first.
        basic = base64.b64encode(f"oauth2:{self._client.token.fresh()}".encode()).decode()
        return {"Authorization": f"Basic {basic}"}

    def comment_limit(self) -> int:
        return _COMMENT

    def pages(self, thread: Thread) -> Pages:
        url = f"{thread.repository_url}/-"
        new = "merge_request%5Bsource_branch%5D={branch}&merge_request%5Btarget_branch%5D={base}"
        return Pages(
            thread=f"{url}/{_series(thread)}/{thread.number}",
            branch=f"{url}/tree/{{branch}}",
            commit=f"{url}/commit/{{sha}}",
            new_change=f"{url}/merge_requests/new?{new}",
            comment_page=f"{url}/{_series(thread)}/{thread.number}#note_{{id}}",
            line_comment_page=f"{url}/{_series(thread)}/{thread.number}#note_{{id}}",
        )

    def _find_change(self, thread: Thread, request: NewChange) -> Change | None:
        base = request.base_branch
        own = branch_changes.rows(
            self._client, thread.repository_id, request.head_branch, state="opened", target_branch=base
        )
        return responses.change(own[0]) if own else None


def _in(thread: Thread) -> str:
    return f"/projects/{thread.repository_id}"


def _series(thread: Thread) -> str:
    return "merge_requests" if thread.kind is Kind.CHANGE else "issues"


def _place(thread: Thread) -> str:
    return f"{_in(thread)}/{_series(thread)}/{thread.number}"


def _note(thread: Thread, comment_id: int) -> str:
    return f"{_place(thread)}/notes/{comment_id}"
