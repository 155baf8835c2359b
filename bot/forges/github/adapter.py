"""The adapter of GitHub: each method of `Forge` as requests to the REST API.

Every path begins with the repository's number, which survives renames and transfers. No path is taken
from the links in a response.
"""

import base64
from collections.abc import Callable, Collection
from urllib.parse import quote, urlencode

from bot.domain.change import (
    BranchChange,
    Change,
    ChangeHead,
    NewChange,
    Pages,
    Repository,
    Status,
)
from bot.domain.errors import ForgeUnavailable
from bot.domain.event import Event, Labelled
from bot.domain.thread import Actor, Kind, Part, ReplyTarget, Thread
from bot.forges.addresses import full_name, is_below, web_address
from bot.forges.github import branch_changes, comment_answers, thread_history
from bot.forges.github.client import PAGE, GitHubClient, GitHubResponse, error_text, newest, refuse
from bot.forges.github.events import parse
from bot.forges.github.labels import find
from bot.forges.github.web_url import web_url
from bot.forges.payload import answered, at, get, listed, login, number, same_id, text

_COMMENT = 65536  # characters
_DESCRIPTION = 140  # characters of a status
_TITLE = 256  # characters of a pull request


class GitHub:
    """github.com or an Enterprise Server. The constructor makes no request.

    `url` is the base of the API. Repositories are below `web`; "" = derived from `url`. `read_token`
    reads the token anew. Raises NotUnderstood if an address is invalid.
    """

    name = "github"

    def __init__(
        self, *, url: str, token: str, web: str = "", read_token: Callable[[], str] | None = None
    ) -> None:
        self._web = web_address(web, "") if web else web_url(url)
        self._client = GitHubClient(url.rstrip("/"), token, read_token)
        self._me: Actor | None = None

    def events(self, event: str, body: bytes) -> list[Event]:
        return parse(event, body, self._web)

    def complete(self, event: Event) -> Event:
        return event

    def history_before(self, event: Event) -> list[Part]:
        with answered("GitHub"):
            return thread_history.before(self._client, event, self.whoami())

    def whoami(self) -> Actor:
        if self._me is None:
            me = self._client.ask("GET", "/user").data
            with answered("GitHub"):
                # Other forges have /user too, but no `type`.
                bot = get(me, "type", str) == "Bot"
                self._me = Actor(id=get(me, "id", int), login=login(me, "login"), bot=bot)
        return self._me

    def may_write(self, thread: Thread, actor: Actor) -> bool:
        path = f"{_in(thread)}/collaborators/{quote(actor.login, safe='')}/permission"
        answer = self._client.ask("GET", path, accepted=(404,))
        if answer.status == 404:
            return False
        with answered("GitHub"):
            user = at(answer.data, "user")
            if user is not None and get(user, "id", int) != actor.id:
                return False  # the login now belongs to another account
            # A maintainer has the permission `write`.
            return get(answer.data, "permission", str) in {"write", "admin"}

    def repository(self, repository_id: int) -> Repository:
        data = self._client.ask("GET", f"/repositories/{repository_id}").data
        with answered("GitHub"):
            path = full_name(data, "full_name")
            return Repository(
                id=same_id(data, repository_id),
                path=path,
                url=f"{self._web}/{path}",
                default_branch=text(data, "default_branch"),
            )

    def change_head(self, thread: Thread) -> ChangeHead:
        data = self._client.ask("GET", f"{_in(thread)}/pulls/{thread.number}").data
        with answered("GitHub"):
            source = number(data, "head.repo.id")  # None once a fork is deleted
            return ChangeHead(
                head=get(data, "head.sha", str),
                head_branch=get(data, "head.ref", str),
                base_branch=get(data, "base.ref", str),
                default_branch=get(data, "base.repo.default_branch", str),
                same_repository=source == get(data, "base.repo.id", int),
                open=get(data, "state", str) == "open",
            )

    def changes_of(self, thread: Thread, branch: str) -> list[BranchChange]:
        owner = self._owner(thread)
        return branch_changes.read(self._client, thread.repository_id, f"{owner}:{branch}")

    def has_label(self, thread: Thread, label: str) -> bool:
        # An issue has at most 100 labels. Two labels cannot differ only in case.
        answer = self._client.ask("GET", f"{_issue(thread)}/labels?per_page={PAGE}")
        with answered("GitHub"):
            return label.lower() in {get(each, "name", str).lower() for each in listed(answer.data)}

    def remove_label(self, thread: Thread, label: str) -> None:
        self._client.ask("DELETE", f"{_issue(thread)}/labels/{quote(label, safe='')}", accepted=(404,))

    def labelled(self, repository_id: int, labels: Collection[str]) -> list[Labelled]:
        with answered("GitHub"):
            return find(self._client, self.repository(repository_id), labels)

    def add_label(self, thread: Thread, label: str) -> None:
        self._client.ask("POST", f"{_issue(thread)}/labels", json={"labels": [label]})

    def react(self, thread: Thread, reply_target: ReplyTarget) -> None:
        place = (
            _issue(thread)
            if reply_target.comment_id is None
            else _comment(thread, reply_target.comment_id, reply_target)
        )
        self._client.ask("POST", f"{place}/reactions", json={"content": "eyes"})

    def comment(self, thread: Thread, body: str, reply_target: ReplyTarget) -> int:
        place = f"{_issue(thread)}/comments"
        if reply_target.discussion:
            place = f"{_in(thread)}/pulls/{thread.number}/comments/{reply_target.discussion}/replies"
        return _id(self._client.ask("POST", place, json={"body": body}))

    def edit_comment(self, thread: Thread, comment_id: int, body: str, reply_target: ReplyTarget) -> None:
        self._client.ask("PATCH", _comment(thread, comment_id, reply_target), json={"body": body})

    def find_comments(self, thread: Thread, marker: str, reply_target: ReplyTarget) -> list[int]:
        """Return the ids of the bot's own comments with `marker`, oldest first, among the last 200 to 300."""
        place = f"{_in(thread)}/pulls/{thread.number}" if reply_target.discussion else _issue(thread)
        me = self.whoami().id
        comments = newest(self._client, f"{place}/comments")
        with answered("GitHub"):
            return [
                get(comment, "id", int)
                for comment in comments
                if at(comment, "user.id") == me and marker in text(comment, "body")
            ]

    def is_answered(self, thread: Thread, comment_id: int, reply_target: ReplyTarget) -> bool:
        with answered("GitHub"):
            return comment_answers.any_to(self._client, thread, comment_id, reply_target, self.whoami())

    def delete_comment(self, thread: Thread, comment_id: int, reply_target: ReplyTarget) -> None:
        self._client.ask("DELETE", _comment(thread, comment_id, reply_target), accepted=(404,))

    def set_status(self, thread: Thread, sha: str, status: Status) -> None:
        fields = {
            "state": status.verdict.value,
            "target_url": status.url or None,
            "description": status.description[:_DESCRIPTION],
            "context": "forgehand",
        }
        self._client.ask("POST", f"{_in(thread)}/statuses/{sha}", json=fields)

    def open_change(self, thread: Thread, request: NewChange) -> Change | None:
        answer = self._open(thread, request, draft=request.draft)
        if answer.status == 422 and request.draft and "draft pull request" in error_text(answer).lower():
            answer = self._open(thread, request, draft=False)  # the repository's plan has no drafts
        if answer.status != 422:
            return _change(answer.data)
        if "no commits between" in error_text(answer).lower():
            return None
        return self._find_change(thread, request) or refuse(answer)

    def git_headers(self, repository_url: str) -> dict[str, str]:
        if not is_below(self._web, repository_url):
            return {}
        # git makes no second try with another token, so the settings are read first.
        basic = base64.b64encode(f"x-access-token:{self._client.token.fresh()}".encode()).decode()
        return {"Authorization": f"Basic {basic}"}

    def comment_limit(self) -> int:
        return _COMMENT

    def pages(self, thread: Thread) -> Pages:
        url = thread.repository_url
        page = f"{url}/{'pull' if thread.kind is Kind.CHANGE else 'issues'}/{thread.number}"
        return Pages(
            thread=page,
            branch=f"{url}/tree/{{branch}}",
            commit=f"{url}/commit/{{sha}}",
            new_change=f"{url}/compare/{{base}}...{{branch}}?expand=1",
            comment_page=f"{page}#issuecomment-{{id}}",
            line_comment_page=f"{page}#discussion_r{{id}}",
        )

    def _open(self, thread: Thread, request: NewChange, *, draft: bool) -> GitHubResponse:
        fields = {
            "title": request.title[:_TITLE],
            "head": request.head_branch,
            "base": request.base_branch,
            "body": request.body,
            "draft": draft,
        }
        return self._client.ask("POST", f"{_in(thread)}/pulls", json=fields, accepted=(422,))

    def _find_change(self, thread: Thread, request: NewChange) -> Change | None:
        head = f"{self._owner(thread)}:{request.head_branch}"
        query = urlencode({"state": "open", "head": head, "base": request.base_branch})
        with answered("GitHub"):
            pulls = listed(self._client.ask("GET", f"{_in(thread)}/pulls?{query}").data)
        return _change(pulls[0]) if pulls else None

    def _owner(self, thread: Thread) -> str:
        """Return the repository's owner, which may have changed; the filter by branch needs it."""
        return self.repository(thread.repository_id).path.partition("/")[0]


def _in(thread: Thread) -> str:
    return f"/repositories/{thread.repository_id}"


def _issue(thread: Thread) -> str:
    return f"{_in(thread)}/issues/{thread.number}"


def _comment(thread: Thread, comment_id: int, reply_target: ReplyTarget) -> str:
    # Comments on lines of a diff have numbers and paths of their own.
    return f"{_in(thread)}/{'pulls' if reply_target.discussion else 'issues'}/comments/{comment_id}"


def _id(answer: GitHubResponse) -> int:
    if not isinstance(at(answer.data, "id"), int):
        raise ForgeUnavailable(
            "GitHub's response has no id of a comment, so it is unknown whether the comment was written."
        )
    with answered("GitHub"):
        return get(answer.data, "id", int)


def _change(data: object) -> Change:
    # The address is only shown to people. The bot fetches nothing from it.
    with answered("GitHub"):
        return Change(number=get(data, "number", int), url=get(data, "html_url", str))
