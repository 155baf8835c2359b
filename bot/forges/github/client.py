"""One request to GitHub's REST API, and what each answer means to the bot.

PyGithub's own defaults are not safe here: they repeat a POST after a 5xx (two
comments), sleep in the thread until a rate limit resets (up to an hour), and
take the 307 of a renamed repository for success (the comment is lost). So only
its transport is used, set up to repeat nothing but reads, and every status is
judged in this file.
"""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from github import Auth, Github
from pydantic_core import from_json
from requests.exceptions import RequestException
from urllib3 import Retry

from bot.errors import BadSettings, ForgeError, ForgeGone, ForgeUnavailable

TIMEOUT = 10  # seconds to connect, and again between two reads
_SLOW_DOWN = 60.0  # seconds; GitHub's advice where it names no time itself

# Reads only. Redirects and rate limits come back as they are instead of being slept through.
_RETRY = Retry(
    total=2,
    backoff_factor=0.5,
    allowed_methods={"GET", "HEAD"},
    status_forcelist={500, 502, 503, 504},
    raise_on_status=False,
    respect_retry_after_header=False,
)


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Mapping[str, str]  # names in lower case
    data: Any  # what the JSON held; None where there was no body


class Client:
    """GitHub's API with one token. Safe to use from many threads."""

    def __init__(self, url: str, token: str) -> None:
        if not token.isascii() or not token.isprintable() or " " in token or not token:
            raise BadSettings("[github] token must be one printable word.")  # requests would quote it
        self._url = url
        self._auth = Auth.Token(token)
        # PyGithub keeps the request being made on an object shared by all users of one
        # Github: threads that share one send each other's requests [measured].
        self._mine = threading.local()

    def ask(self, verb: str, path: str, *, json: object = None, fine: tuple[int, ...] = ()) -> Answer:
        """Make one request. Statuses of 300 and above raise a ForgeError, except those in `fine`.

        Where the repository of `/repositories/<id>/...` has moved, the request
        was not carried out; it is made again, once, at the present name.
        """
        answer = self._send(verb, path, json)
        if answer.status in {301, 302, 307, 308} and path.startswith("/repositories/"):
            _, _, repository_id, *rest = path.split("/")
            found = self._send("GET", f"/repositories/{repository_id}")
            if found.status != 200:
                refuse(found)
            answer = self._send(verb, "/".join([f"/repos/{found.data['full_name']}", *rest]), json)
        if answer.status >= 300 and answer.status not in fine:
            refuse(answer)
        return answer

    def _send(self, verb: str, path: str, json: object = None) -> Answer:
        try:
            status, headers, body = self._github().requester.requestJson(verb, path, input=json)
        except (RequestException, ValueError) as error:  # the latter: a header PyGithub cannot read
            raise ForgeUnavailable("GitHub did not answer, or not in a way to be understood.") from error
        except RuntimeError as error:  # a 301 to another host or scheme, which the library will not follow
            raise ForgeError(
                "GitHub answers from another address; [github] url has to be changed."
            ) from error
        try:
            data = from_json(body) if body else None
        except ValueError:
            data = None  # a proxy's page: the status says enough
            if status < 300:
                raise ForgeUnavailable("GitHub's answer could not be understood.") from None
        return Answer(status, headers, data)

    def _github(self) -> Github:
        if not hasattr(self._mine, "github"):
            self._mine.github = Github(
                auth=self._auth,
                base_url=self._url,
                timeout=TIMEOUT,
                user_agent="forgehand",
                retry=_RETRY,
                seconds_between_requests=None,
                seconds_between_writes=None,
            )
        github: Github = self._mine.github
        return github


def refuse(answer: Answer) -> NoReturn:
    """Raise what `answer` means. The words may be posted: nothing in them is secret."""
    status, said = answer.status, words(answer)
    lower = said.lower()
    if status == 429 or (status == 403 and _is_rate_limit(answer, lower)):
        raise ForgeUnavailable("GitHub asks the bot to slow down.", _wait(answer.headers))
    if status >= 500:
        after = answer.headers.get("retry-after", "")
        raise ForgeUnavailable(
            f"GitHub is in trouble ({status}).", float(after) if after.isdecimal() else None
        )
    if status < 400:
        raise ForgeUnavailable("GitHub moved the repository while the bot spoke to it.")
    if status == 401:
        raise ForgeError("GitHub does not accept the bot's token (401).")
    if status in {404, 410, 451}:
        raise ForgeGone(f"GitHub says it is not there, or hides it from the bot: {said} ({status}).")
    if status == 403 and ("locked" in lower or "archived" in lower):
        raise ForgeGone(f"GitHub lets nobody write there: {said} (403).")
    raise ForgeError(f"GitHub refused: {said} ({status}).")


def words(answer: Answer) -> str:
    """What GitHub said about an error: its message and its list of errors, in one line of at most 300."""
    data = answer.data if isinstance(answer.data, dict) else {}
    listed = data.get("errors")
    parts = [data.get("message"), *(listed if isinstance(listed, list) else [listed])]
    said = [part.get("message") or part.get("code") if isinstance(part, dict) else part for part in parts]
    return " ".join("; ".join(str(part) for part in said if part).split())[:300] or "no reason given"


def _is_rate_limit(answer: Answer, said: str) -> bool:
    limited = "retry-after" in answer.headers or answer.headers.get("x-ratelimit-remaining") == "0"
    return limited or "rate limit" in said or "abuse" in said


def _wait(headers: Mapping[str, str]) -> float:
    """Seconds: Retry-After, else until the reset that goes with nothing remaining, else a minute."""
    after, reset = headers.get("retry-after", ""), headers.get("x-ratelimit-reset", "")
    if after.isdecimal():
        return float(after)
    if headers.get("x-ratelimit-remaining") == "0" and reset.isdecimal():
        return max(1.0, float(reset) - time.time())
    return _SLOW_DOWN
