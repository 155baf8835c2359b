"""A connection of PyGithub that repeats only reads and follows no redirect.

In a module of its own, because PyGithub takes half a second to load: processes that make no request to
GitHub do not load it.
"""

from urllib.parse import urlsplit

from github import Auth, Github
from github.Requester import HTTPRequestsConnectionClass, HTTPSRequestsConnectionClass
from requests import HTTPError, Response
from urllib3 import Retry

TIMEOUT = 10  # seconds to connect, and again between two reads

# Redirects and rate limits are returned; the default would sleep until the limit is reset.
_RETRY = Retry(
    total=2,
    backoff_factor=0.5,
    allowed_methods={"GET", "HEAD"},
    status_forcelist={500, 502, 503, 504},
    raise_on_status=False,
    respect_retry_after_header=False,
)

Connection = HTTPRequestsConnectionClass | HTTPSRequestsConnectionClass


def connect(url: str, token: str) -> tuple[Github, Connection]:
    """Return a client and its connection, for one thread at a time. Makes no request."""
    github = Github(
        auth=Auth.Token(token),
        base_url=url,
        user_agent="forgehand",
        seconds_between_requests=None,
        seconds_between_writes=None,
    )
    parts = urlsplit(url)
    kind = HTTPSRequestsConnectionClass if parts.scheme == "https" else HTTPRequestsConnectionClass
    made = kind(parts.hostname or "", parts.port, timeout=TIMEOUT, retry=_RETRY)
    made.session.hooks["response"].append(_take_out)
    return github, made


def _take_out(response: Response, **_: object) -> None:
    """Raise a 301 before PyGithub follows it: it has no setting against that."""
    if response.status_code == 301:
        raise HTTPError(response=response)
