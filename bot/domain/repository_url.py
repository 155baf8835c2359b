"""The canonical repository URL: one form for each remote, because it is the key of tasks.

People, forges and git write the address of one repository in several ways. The canonical form contains
no credentials, so it may appear in logs, ledgers and comments.
"""

import ipaddress
import os
import re
from collections.abc import Sequence
from urllib.parse import SplitResult, urlsplit

from bot.domain.errors import NotUnderstood

_PORTS = {"https": 443, "http": 80}
_HOST = re.compile(r"[a-z0-9_]([a-z0-9._-]*[a-z0-9_])?")
# JSON, or an argument that is not UTF-8, may hold a lone surrogate, which no path and no ledger accepts.
_UNREADABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
# Git's rule: a text with a colon before its first slash is host:path.
_SCP = re.compile(r"(?:[^/:@]+@)?(?P<host>\[[^\]/]+\]|[^/:@\[\]]+):(?P<path>.+)")


def canonical(remote: str, *, forges: Sequence[str] = ()) -> str:
    """Return the canonical URL of `remote`.

    https and http are kept. An ssh URL or `host:path` gets the scheme and port of the URL in `forges`
    that has the same host, otherwise https. A folder, with `file://` before it or without, becomes
    `file://` and its real path, not quoted. Raises NotUnderstood if `remote` is not a remote.
    """
    if not remote or _UNREADABLE.search(remote):
        raise NotUnderstood("A repository URL must be one line of text that is not empty.")
    if _is_local(remote):
        return "file://" + os.path.realpath(remote.removeprefix("file://"))
    if scp := None if _SCHEME.match(remote) else _SCP.fullmatch(remote):
        remote = f"ssh://{scp['host']}/{scp['path']}"
    parts = _split(remote)
    if parts.scheme == "ssh":
        return _authority_of_ssh(parts, forges) + _path(parts)
    return _authority(parts) + _path(parts)


def _is_local(remote: str) -> bool:
    if remote.startswith("file://"):
        return remote.startswith("file:///")
    # Not Path.is_dir, which raises if the text is too long for a path, or in a folder closed to this user.
    return not _SCHEME.match(remote) and os.path.isdir(remote)


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port  # the library checks the port only when it is read
    except ValueError:
        raise _no_remote(url) from None  # the library's message may quote a password
    if parts.scheme not in {"https", "http", "ssh"} or re.search(r"[\s\\?#]", url):
        raise _no_remote(url)
    return parts


def _authority_of_ssh(parts: SplitResult, forges: Sequence[str]) -> str:
    host = _host(parts)
    for forge in map(_split, forges):
        if _host(forge) == host:
            return _authority(forge)
    return f"https://{host}"  # the port, if any, is sshd's


def _authority(parts: SplitResult) -> str:
    port = "" if parts.port in {None, _PORTS[parts.scheme]} else f":{parts.port}"
    return f"{parts.scheme}://{_host(parts)}{port}"


def _host(parts: SplitResult) -> str:
    host = (parts.hostname or "").lower().removesuffix(".")
    if _HOST.fullmatch(host):
        return host
    try:
        return f"[{ipaddress.IPv6Address(host)}]"
    except ValueError:
        raise _no_remote(host) from None


def _path(parts: SplitResult) -> str:
    names = [name for name in parts.path.split("/") if name]
    while names and names[-1].endswith(".git"):
        names[-1] = names[-1].removesuffix(".git")
    # No forge allows an @ in a path: it belongs to a password in a URL without a scheme.
    if not names or {"", ".", ".."} & set(names) or "@" in parts.path:
        raise _no_remote(parts.path)
    return "/" + "/".join(names)


def _no_remote(shown: str) -> NotUnderstood:
    shown = shown.rpartition("@")[2]
    return NotUnderstood(
        f"`{shown}` is not a repository. Give an https, http or ssh URL, `host:owner/name` or a local folder."
    )
