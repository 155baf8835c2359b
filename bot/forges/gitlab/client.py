"""One request to GitLab's REST API, and what each answer means to the bot.

python-gitlab's own defaults are not safe here: they sleep in the thread for as
long as a 429 says, repeat a POST where retries are on, follow a 308 to wherever
it points, set no timeout, and drop an error's headers. So only its transport is
used, set up to repeat nothing but reads and to follow nothing, and every status
is judged in this file.
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

from bot.domain.errors import ForgeError, ForgeGone, ForgeUnavailable
from bot.forges import pause
from bot.forges.token import Token

TIMEOUT = 10  # seconds to connect, and again between two reads
_SLOW_DOWN = 60.0  # seconds, where GitLab names no time itself

# Reads only. Refusals come back as they are instead of being slept through.
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
    status: int
    headers: Mapping[str, str]  # names in any case
    data: Any  # what the JSON held; None where there was no body


class GitLabClient:
    """GitLab's API with one token. `url` is the instance's. Safe to use from many threads."""

    def __init__(self, url: str, token: str, again: Callable[[], str] | None = None) -> None:
        self.token = Token(token, section="gitlab", again=again)
        self._url = url
        self._mine = threading.local()  # a Session of requests is no thing to share between threads

    def ask(self, verb: str, path: str, *, json: object = None, fine: tuple[int, ...] = ()) -> GitLabResponse:
        """Make one request. Statuses of 300 and above raise a ForgeError, except those in `fine`."""
        answer = self._send(verb, path, json)
        if answer.status >= 300 and answer.status not in fine:
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
            raise ForgeUnavailable("GitLab did not answer, or not in a way to be understood.") from error
        try:
            data = from_json(body) if body else None
        except ValueError:
            data = None  # a proxy's page: the status says enough
            if status < 300:
                raise ForgeUnavailable("GitLab's answer could not be understood.") from None
        return GitLabResponse(status, response.headers, data)

    def _gitlab(self, token: str) -> Gitlab:
        if getattr(self._mine, "token", "") != token:
            session = Session()
            for scheme in ("https://", "http://"):
                session.mount(scheme, HTTPAdapter(max_retries=_RETRY))
            session.hooks["response"].append(_take_out)
            # As a bearer every kind of token is taken, one of OAuth too.
            self._mine.gitlab = Gitlab(
                self._url, oauth_token=token, timeout=TIMEOUT, user_agent="forgehand", session=session
            )
            self._mine.token = token
        gitlab: Gitlab = self._mine.gitlab
        return gitlab


def _take_out(response: Response, **_: object) -> None:
    """Hand up what is no success before requests follows it and python-gitlab drops its headers."""
    if response.status_code >= 300:
        raise HTTPError(response=response)


def refuse(answer: GitLabResponse) -> NoReturn:
    """Raise what `answer` means. The words may be posted: nothing in them is secret."""
    status, said = answer.status, error_text(answer)
    lower = said.lower()
    if status == 429:
        raise ForgeUnavailable("GitLab asks the bot to slow down.", _wait(answer.headers))
    if status >= 500 or (status == 409 and "resource lock" in lower):
        after = answer.headers.get("Retry-After", "")
        raise ForgeUnavailable(f"GitLab is in trouble ({status}).", pause.seconds(after))
    if status < 400:  # projects are named by number, so it is not one that moved
        raise ForgeError("GitLab answers from another address; [gitlab] url has to be changed.")
    if status == 401:
        raise ForgeError("GitLab does not accept the bot's token (401).")
    if status in {404, 410}:
        raise ForgeGone(f"GitLab says it is not there, or hides it from the bot: {said} ({status}).")
    if status == 403 and ("locked" in lower or "archived" in lower):
        raise ForgeGone(f"GitLab lets nobody write there: {said} (403).")
    raise ForgeError(f"GitLab refused: {said} ({status}).")


def error_text(answer: GitLabResponse) -> str:
    """What GitLab said about an error, in one line of at most 300.

    `message` may be a text, a list, or lists by field; other errors have an
    `error`, and those of OAuth an `error_description` beside it.
    """
    data = answer.data if isinstance(answer.data, dict) else {}
    found = [data.get(name) for name in ("message", "error", "error_description")]
    line = " ".join("; ".join(_flat(one) for one in found if one).split())
    return line.replace("\0", "")[:300] or "no reason given"  # PostgreSQL takes no NUL in a text


def _flat(said: object) -> str:
    if isinstance(said, dict):
        return ", ".join(f"{name} {_flat(value)}" for name, value in said.items())
    return ", ".join(map(_flat, said)) if isinstance(said, list) else str(said)


def _wait(headers: Mapping[str, str]) -> float:
    """Seconds: Retry-After, else until the reset, else a minute."""
    after = pause.seconds(headers.get("Retry-After", ""))
    reset = pause.until(headers.get("RateLimit-Reset", ""))
    return next((found for found in (after, reset) if found is not None), _SLOW_DOWN)
