"""Remotes: the place of the credential, and the kinds of its errors."""

import pytest

from bot.domain.errors import GitFailed, RemoteMissing, RemoteUnavailable
from bot.git.remote import network_environment, remote_failure


def test_a_header_is_set_in_the_environment_only_for_the_server_of_the_remote() -> None:
    env = network_environment("https://forge.example:8443/a/b", {"Authorization": "Basic abc"})

    keys = {value: name for name, value in env.items()}
    name = keys["http.https://forge.example:8443/.extraHeader"]
    assert env[name.replace("KEY", "VALUE")] == "Authorization: Basic abc"


def test_a_url_with_credentials_is_refused() -> None:
    with pytest.raises(GitFailed, match="must not contain credentials"):
        network_environment("https://user:token@forge.example/a/b", {})


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("remote: Repository not found.\nfatal: repository 'https://x/' not found", RemoteMissing),
        ("fatal: '/x' does not appear to be a git repository\nfatal: Could not read", RemoteMissing),
        ("fatal: unable to access 'x': The requested URL returned error: 502", RemoteUnavailable),
        ("fatal: unable to access 'x': Could not resolve host: forge.example", RemoteUnavailable),
        ("error: RPC failed; HTTP 503 curl 22", RemoteUnavailable),
        ("fatal: unable to access 'x': The requested URL returned error: 301", RemoteMissing),
        ("fatal: Authentication failed for 'https://x/'", GitFailed),
    ],
)
def test_the_kind_of_error_follows_from_the_message_of_git(said: str, kind: type[GitFailed]) -> None:
    assert type(remote_failure(said)) is kind
