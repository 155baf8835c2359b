"""Remotes: the place of the credential, and the kinds of its errors."""

import pytest

from bot.domain.errors import GitFailed, RemoteMissing, RemoteUnavailable
from bot.git.remote import access_problem, network_environment, remote_failure

URL = "https://code.example.org/acme/anvil"
TOKEN = {"Authorization": "Basic eDp5"}


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
    assert type(remote_failure(said, URL, {})) is kind


REFUSED = "fatal: unable to access 'https://code.example.org/acme/anvil/': The requested URL returned error: "
NO_PROMPT = "fatal: could not read Username for 'https://code.example.org': terminal prompts disabled"


@pytest.mark.parametrize(
    ("said", "headers", "sentence"),
    [
        (REFUSED + "403", TOKEN, "token has no permission"),
        (REFUSED + "401", TOKEN, "does not accept the bot's token"),
        (NO_PROMPT, TOKEN, "does not accept the bot's token"),
        ("fatal: Authentication failed for 'https://code.example.org'", TOKEN, "does not accept the bot's"),
        (REFUSED + "403", {}, "no credential for code.example.org:"),
        (REFUSED + "401", {}, "no credential for code.example.org:"),
        (NO_PROMPT, {}, "no credential for code.example.org:"),
    ],
)
def test_a_refusal_of_access_blames_a_token_only_if_one_was_sent(
    said: str, headers: dict[str, str], sentence: str
) -> None:
    assert sentence in access_problem(said, URL, headers)
    assert sentence in str(remote_failure(said, URL, headers))
    assert ("token" in access_problem(said, URL, headers)) == bool(headers)


def test_other_failures_of_a_remote_are_no_problem_of_access() -> None:
    assert access_problem(REFUSED + "502", URL, {}) == ""
    assert access_problem("remote: Repository not found.", URL, TOKEN) == ""
