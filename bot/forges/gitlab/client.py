"""Requests to GitLab's REST API, and the error for each response.

python-gitlab's defaults are not safe here. They sleep in the thread for as long as a 429 says, repeat a
POST if retries are enabled, follow a 308 to any address, set no timeout, and drop the headers of an error.
So the bot uses only python-gitlab's transport, which repeats only reads and follows no redirect, and
handles every status here.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from gitlab import Gitlab
from pydantic_core import from_json
from requests import HTTPError, RequestException, Response, Session
from requests.adapters import HTTPAdapter
from urllib3 import Retry

from bot.domain.errors import ForgeError, ForgeGone, ForgeUnavailable, ForgeUnrecognized
from bot.forges import pause
from bot.forges.payload import require_reason
from bot.forges.token import Token

TIMEOUT = 10  # seconds to connect, and again between two reads
_SLOW_DOWN = 60.0  # seconds, for responses that name no time

# Refusals are returned; the default would sleep until a limit is reset.
_RETRY = Retry(
    total=2,
    backoff_factor=0.5,
    allowed_methods={"GET"},
    status_forcelist={500, 502, 503, 504},
    raise_on_status=False,
    respect_retry_after_header=False,
)


@dataclass(frozen=True, slots=True)
class GitLabResponse:
    """A response of any status."""

    status: int
    headers: Mapping[str, str]  # names in any case
    data: Any  # value of the JSON; None if there was no body


class GitLabClient:
    """GitLab's API with one token. `url` is the instance's. Safe to use from many threads."""

    def __init__(self, url: str, token: str, read_token: Callable[[], str] | None = None) -> None:
        self.token = Token(token, section="gitlab", read_token=read_token)
        self._url = url
        self._mine = threading.local()  # a Session of requests is not safe to share between threads

    def ask(
        self, verb: str, path: str, *, json: object = None, accepted: tuple[int, ...] = ()
    ) -> GitLabResponse:
        """Make one request. Statuses of 300 and above raise a ForgeError, except those in `accepted`."""
        answer = self._send(verb, path, json)
        if answer.status >= 300 and answer.status not in accepted:
            refuse(answer)
        return answer

    def _send(self, verb: str, path: str, json: Any) -> GitLabResponse:
        used = self.token.value
        answer = self._once(verb, path, json, used)
        fresh = self.token.fresh() if answer.status == 401 else used
        return answer if fresh == used else self._once(verb, path, json, fresh)

    def _once(self, verb: str, path: str, json: Any, token: str) -> GitLabResponse:
        try:
            try:
                response = self._gitlab(token).http_request(verb, path, post_data=json)
            except HTTPError as error:
                response = error.response
            status, body = response.status_code, response.content
        except RequestException as error:
            raise ForgeUnavailable("GitLab did not answer, or its response could not be read.") from error
        try:
            data = from_json(body) if body else None
        except ValueError:
            data = None  # a proxy's page: the status is enough
            if status < 300:
                raise ForgeUnrecognized("GitLab's response could not be read.") from None
        require_reason("GitLab", status, data, "message", "error")
        return GitLabResponse(status, response.headers, data)

    def _gitlab(self, token: str) -> Gitlab:
        if getattr(self._mine, "token", "") != token:
            session = Session()
            for scheme in ("https://", "http://"):
                session.mount(scheme, HTTPAdapter(max_retries=_RETRY))
            session.hooks["response"].append(_take_out)
            # GitLab accepts every kind of token as a bearer token, also one of OAuth.
            self._mine.gitlab = Gitlab(
                self._url, oauth_token=token, timeout=TIMEOUT, user_agent="forgehand", session=session
            )
            self._mine.token = token
        gitlab: Gitlab = self._mine.gitlab
        return gitlab


def _take_out(response: Response, **_: object) -> None:
    """Raise a response of 300 or above before requests follows it, or python-gitlab drops its headers."""
    if response.status_code >= 300:
        raise HTTPError(response=response)


def refuse(answer: GitLabResponse) -> NoReturn:
    """Raise the error for `answer`. Its message contains no secret: it may be posted."""
    status, reason = answer.status, error_text(answer)
    lower = reason.lower()
    if status == 429:
        raise ForgeUnavailable("GitLab limits the bot's requests.", _wait(answer.headers))
    if status >= 500 or (status == 409 and "resource lock" in lower):
        after = answer.headers.get("Retry-After", "")
        raise ForgeUnavailable(f"GitLab has a problem ({status}).", pause.seconds(after))
    if status < 400:  # paths have the project's number, so this is not a renamed project
        raise ForgeError("GitLab answers from another address. Change [gitlab] url.")
    if status == 401:
        raise ForgeError("GitLab does not accept the bot's token (401).")
    if status in {404, 410}:
        raise ForgeGone(
            f"GitLab says that this does not exist, or hides it from the bot: {reason} ({status})."
        )
    if status == 403 and ("locked" in lower or "archived" in lower):
        raise ForgeGone(f"GitLab lets nobody write to this: {reason} (403).")
    raise ForgeError(f"GitLab refused: {reason} ({status}).")


def error_text(answer: GitLabResponse) -> str:
    """Return the reason in a response, in one line of at most 300 characters.

    `message` may be a text, a list, or lists by field. Other errors have an `error`, and those of OAuth an
    `error_description` too.
    """
    data = answer.data if isinstance(answer.data, dict) else {}
    texts = [data.get(name) for name in ("message", "error", "error_description")]
    line = " ".join("; ".join(_flat(one) for one in texts if one).split())
    return line.replace("\0", "")[:300] or "no reason given"  # PostgreSQL accepts no NUL in a text


def _flat(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_flat(each)}" for name, each in value.items())
    return ", ".join(map(_flat, value)) if isinstance(value, list) else str(value)


def _wait(headers: Mapping[str, str]) -> float:
    """Return the seconds to wait: Retry-After, else until the reset, else a minute."""
    after = pause.seconds(headers.get("Retry-After", ""))
    reset = pause.until(headers.get("RateLimit-Reset", ""))
    return next((seconds for seconds in (after, reset) if seconds is not None), _SLOW_DOWN)
