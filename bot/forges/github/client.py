"""Requests to GitHub's REST API, and the error for each response.

PyGithub's defaults are not safe here. They repeat a POST after a 5xx (two comments), sleep in the thread
until a rate limit resets (up to an hour), treat the 307 of a renamed repository as success (the comment is
lost), and follow a 301 with any verb (the label goes to another repository's issue). So the bot uses only
PyGithub's transport, which repeats only reads and follows no redirect, and handles every status here.
"""

import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from pydantic_core import from_json
from requests import HTTPError, RequestException

from bot.domain.errors import ForgeError, ForgeGone, ForgeUnavailable, ForgeUnrecognized
from bot.forges import pause
from bot.forges.addresses import full_name
from bot.forges.payload import answered, listed, require_reason
from bot.forges.token import Token

if TYPE_CHECKING:
    from github import Github

    from bot.forges.github.connection import Connection

PAGE = 100  # rows: GitHub's maximum
_LAST_PAGE = re.compile(r'[?&]page=(\d+)[^>]*>; rel="last"')
_SLOW_DOWN = 60.0  # seconds, as GitHub advises for responses that name no time


@dataclass(frozen=True, slots=True)
class GitHubResponse:
    """A response of any status."""

    status: int
    headers: Mapping[str, str]  # names in lower case
    data: Any  # value of the JSON; None if there was no body


class GitHubClient:
    """GitHub's API with one token. Safe to use from many threads."""

    def __init__(self, url: str, token: str, read_token: Callable[[], str] | None = None) -> None:
        self.token = Token(token, section="github", read_token=read_token)
        self._url = url
        # PyGithub keeps the current request in an object that all users of one Github share: threads
        # that share one send each other's requests [measured].
        self._mine = threading.local()

    def ask(
        self, verb: str, path: str, *, json: object = None, accepted: tuple[int, ...] = ()
    ) -> GitHubResponse:
        """Make one request. Statuses of 300 and above raise a ForgeError, except those in `accepted`.

        If the repository of `/repositories/<id>/...` was renamed, GitHub has not executed the request: it
        is repeated once with the present name. An issue that was moved to another repository is gone,
        because nobody allowed the bot to write there.
        """
        answer = self._send(verb, path, json)
        if answer.status in {301, 302, 307, 308} and path.startswith("/repositories/"):
            _, _, repository_id, *rest = path.split("/")
            repository = self._send("GET", f"/repositories/{repository_id}")
            if repository.status != 200:
                refuse(repository)
            with answered("GitHub"):
                path = full_name(repository.data, "full_name")
            answer = self._send(verb, "/".join([f"/repos/{path}", *rest]), json)
            if answer.status == 301:
                raise ForgeGone("GitHub says that this was moved to another repository (301).")
        if answer.status >= 300 and answer.status not in accepted:
            refuse(answer)
        return answer

    def _send(self, verb: str, path: str, json: object = None) -> GitHubResponse:
        used = self.token.value
        answer = self._once(verb, path, json, used)
        fresh = self.token.fresh() if answer.status == 401 else used
        return answer if fresh == used else self._once(verb, path, json, fresh)

    def _once(self, verb: str, path: str, json: object, token: str) -> GitHubResponse:
        github, connection = self._connected(token)
        try:
            status, headers, body = github.requester.requestJson(verb, path, input=json, cnx=connection)
        except HTTPError:
            return GitHubResponse(301, {}, None)
        except (
            RequestException,
            ValueError,
            OverflowError,
        ) as error:  # ValueError, OverflowError: PyGithub cannot read a header
            raise ForgeUnavailable("GitHub did not answer, or its response could not be read.") from error
        try:
            data = from_json(body) if body else None
        except ValueError:
            data = None  # a proxy's page: the status is enough
            if status < 300:
                raise ForgeUnrecognized("GitHub's response could not be read.") from None
        require_reason("GitHub", status, data, "message")
        return GitHubResponse(status, headers, data)

    def _connected(self, token: str) -> tuple["Github", "Connection"]:
        if getattr(self._mine, "token", "") != token:
            from bot.forges.github.connection import connect

            self._mine.connected, self._mine.token = connect(self._url, token), token
        connected: tuple[Github, Connection] = self._mine.connected
        return connected


def newest(client: GitHubClient, path: str) -> list[Any]:
    """Return the last 200 to 300 rows of a list that begins with the oldest, or all if there are fewer."""
    path = f"{path}?per_page={PAGE}"
    first = client.ask("GET", path)
    link = _LAST_PAGE.search(first.headers.get("link", ""))
    with answered("GitHub"):
        last = int(link[1]) if link else 1
        rows = listed(first.data)[:] if last <= 3 else []
        for page in range(max(2, last - 2), last + 1):
            rows += listed(client.ask("GET", f"{path}&page={page}").data)
    return rows


def refuse(answer: GitHubResponse) -> NoReturn:
    """Raise the error for `answer`. Its message contains no secret: it may be posted."""
    status, reason = answer.status, error_text(answer)
    lower = reason.lower()
    if status == 429 or (status == 403 and _is_rate_limit(answer, lower)):
        raise ForgeUnavailable("GitHub limits the bot's requests.", _wait(answer.headers))
    if status >= 500:
        after = answer.headers.get("retry-after", "")
        raise ForgeUnavailable(f"GitHub has a problem ({status}).", pause.seconds(after))
    if status == 301:
        raise ForgeError("GitHub answers from another address. Change [github] url.")
    if status < 400:
        raise ForgeUnavailable("GitHub moved the repository during the request.")
    if status == 401:
        raise ForgeError("GitHub does not accept the bot's token (401).")
    if status in {404, 410, 451}:
        raise ForgeGone(
            f"GitHub says that this does not exist, or hides it from the bot: {reason} ({status})."
        )
    if status == 403 and ("locked" in lower or "archived" in lower):
        raise ForgeGone(f"GitHub lets nobody write to this: {reason} (403).")
    raise ForgeError(f"GitHub refused: {reason} ({status}).")


def error_text(answer: GitHubResponse) -> str:
    """Return the message and errors of a response, in one line of at most 300 characters."""
    data = answer.data if isinstance(answer.data, dict) else {}
    listed = data.get("errors")
    parts = [data.get("message"), *(listed if isinstance(listed, list) else [listed])]
    texts = [part.get("message") or part.get("code") if isinstance(part, dict) else part for part in parts]
    line = " ".join("; ".join(str(text) for text in texts if text).split())
    return line.replace("\0", "")[:300] or "no reason given"  # PostgreSQL accepts no NUL in a text


def _is_rate_limit(answer: GitHubResponse, reason: str) -> bool:
    limited = "retry-after" in answer.headers or answer.headers.get("x-ratelimit-remaining") == "0"
    return limited or "rate limit" in reason or "abuse" in reason


def _wait(headers: Mapping[str, str]) -> float:
    """Return the seconds to wait: Retry-After, else until a used up limit is reset, else a minute."""
    after, reset = pause.seconds(headers.get("retry-after", "")), None
    if headers.get("x-ratelimit-remaining") == "0":
        reset = pause.until(headers.get("x-ratelimit-reset", ""))
    return next((seconds for seconds in (after, reset) if seconds is not None), _SLOW_DOWN)
