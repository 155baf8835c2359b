"""What a git command needs to speak to a remote, and what it says when it could not.

A credential is in the environment of that one command, for that one host, and
nowhere else; not even a proxy may read it.
"""

import os
import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from bot.domain.errors import DiskFull, GitFailed, RemoteMissing, RemoteUnavailable
from bot.git.run import configured, first_lines, is_disk_full

# http_proxy is left out: a proxy would read the token of an http remote.
_CA = ("SSL_CERT_FILE", "SSL_CERT_DIR", "GIT_SSL_CAINFO", "GIT_SSL_CAPATH")
_NETWORK = ("https_proxy", "HTTPS_PROXY", "no_proxy", "NO_PROXY", *_CA)

# Observed with git 2.39 against http-backend and local paths. Forges answer 404 where they hide a repository.
_KINDS = [
    (re.compile(r"error: 30[1278]|error: 4(04|10)\b|[Nn]ot found\b|does not (appear|exist)"), RemoteMissing),
    (
        re.compile(
            r"error: (5\d\d|429|408)\b|HTTP (5\d\d|429|408)\b|[Cc]ould not resolve|[Ff]ailed to connect"
            r"|[Cc]onnection (refused|reset|timed out)|[Tt]imed out|Timeout|Operation too slow|Empty reply"
            r"|early EOF|hung up unexpectedly|unexpected disconnect|Recv failure|Couldn't connect"
            r"|transfer closed|took longer than"
        ),
        RemoteUnavailable,
    ),
]


def network(url: str, headers: Mapping[str, str]) -> dict[str, str]:
    """Environment for a command that speaks to `url`. Headers go here and nowhere else.

    Raises GitFailed for a URL that carries credentials: it would end in argument lists.
    """
    parts = urlsplit(url)
    if parts.username or parts.password:
        raise GitFailed("The URL of a remote must not carry credentials.")
    env = {name: os.environ[name] for name in _NETWORK if name in os.environ}
    if parts.scheme in {"http", "https"}:
        scope = f"http.{parts.scheme}://{parts.netloc}/.extraHeader"
        env |= configured([(scope, f"{name}: {value}") for name, value in headers.items()])
    return env


def remote_failure(said: str) -> GitFailed | DiskFull:
    """What git said about a remote, as the error that names who must act."""
    if is_disk_full(said):
        return DiskFull()
    words = first_lines(said) or "git said nothing about why"
    for pattern, kind in _KINDS:
        if pattern.search(said):
            return kind(words)
    return GitFailed(words)
