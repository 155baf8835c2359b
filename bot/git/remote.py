"""The environment of a git command that speaks to a remote, and the errors of such a command.

A credential is only in the environment of that one command, and only for that one
host. Not even a proxy can read it.
"""

import os
import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from bot.domain.errors import DiskFull, GitFailed, RemoteMissing, RemoteUnavailable
from bot.git.run import config_environment
from bot.git.stderr import first_lines, is_disk_full

# http_proxy is left out: a proxy would read the token of an http remote.
_CA = ("SSL_CERT_FILE", "SSL_CERT_DIR", "GIT_SSL_CAINFO", "GIT_SSL_CAPATH")
_NETWORK = ("https_proxy", "HTTPS_PROXY", "no_proxy", "NO_PROXY", *_CA)

# Observed with git 2.39, http-backend and local paths. Forges answer 404 for a repository they hide.
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

_UNAUTHENTICATED = re.compile(r"error: 401\b|Authentication failed|could not read (Username|Password)")
_FORBIDDEN = re.compile(r"error: 403\b")


def network_environment(url: str, headers: Mapping[str, str]) -> dict[str, str]:
    """Return the environment for a command that speaks to `url`, the only place for `headers`.

    Raises GitFailed if the URL contains credentials, because it would appear in argument lists.
    """
    parts = urlsplit(url)
    if parts.username or parts.password:
        raise GitFailed("The URL of a remote must not contain credentials.")
    env = {name: os.environ[name] for name in _NETWORK if name in os.environ}
    if parts.scheme in {"http", "https"}:
        scope = f"http.{parts.scheme}://{parts.netloc}/.extraHeader"
        env |= config_environment([(scope, f"{name}: {value}") for name, value in headers.items()])
    return env


def access_problem(stderr: str, url: str, headers: Mapping[str, str]) -> str:
    """Return a sentence on why the remote at `url` refused access; "" if that was not the problem.

    `headers` are those of the command. They are empty if the address belongs to no configured forge.
    """
    unauthenticated = _UNAUTHENTICATED.search(stderr) is not None
    if not unauthenticated and not _FORBIDDEN.search(stderr):
        return ""
    if not headers:
        return (
            f"The bot has no credential for {urlsplit(url).netloc}: no configured forge has its repositories "
            "at that address. Check url and web_url of the forge in the settings."
        )
    if unauthenticated:
        return "The remote does not accept the bot's token."
    return "The bot's token has no permission for this."


def remote_failure(stderr: str, url: str, headers: Mapping[str, str]) -> GitFailed | DiskFull:
    """Return the error for git's output about a remote; its type tells who must act.

    `url` and `headers` are those of the command.
    """
    if is_disk_full(stderr):
        return DiskFull()
    reason = first_lines(stderr) or "git gave no reason"
    for pattern, kind in _KINDS:
        if pattern.search(stderr):
            return kind(reason)
    return GitFailed(" ".join(filter(None, [access_problem(stderr, url, headers), reason])))
