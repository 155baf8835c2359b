"""The web address of a forge, and the repository addresses that are below it."""

import pytest

from bot.domain.errors import NotUnderstood
from bot.domain.repository_url import canonical
from bot.forges.addresses import is_below, web_address

GITLAB = "https://git.example.org/gitlab"


@pytest.mark.parametrize(
    ("url", "api", "web"),
    [
        ("https://gitlab.com", "/api/v4", "https://gitlab.com"),
        ("https://Git.example.org:443/gitlab/", "/api/v4", GITLAB),
        ("https://git.example.org/gitlab/api/v4", "/api/v4", GITLAB),
        ("https://git.example.org/hub/api/v3/", "/api/v3", "https://git.example.org/hub"),
        ("http://127.0.0.1:8080/api/v3", "/api/v3", "http://127.0.0.1:8080"),
        ("http://[::1]:8080", "/api/v4", "http://[::1]:8080"),
        ("https://git.example.org/myapi/v4", "/api/v4", "https://git.example.org/myapi/v4"),
    ],
)
def test_the_path_of_the_api_is_removed_from_the_address_and_any_other_path_remains(
    url: str, api: str, web: str
) -> None:
    assert web_address(url, api) == web
    assert canonical(f"{web}/acme/anvil") == f"{web}/acme/anvil"


@pytest.mark.parametrize("url", ["", "git.example.org", "https://", "https://h/a?b", "https://h/a/../b"])
def test_a_url_that_is_not_the_address_of_a_forge_is_refused(url: str) -> None:
    with pytest.raises(NotUnderstood):
        web_address(url, "/api/v4")


@pytest.mark.parametrize(
    "url",
    [
        f"{GITLAB}/acme/anvil",
        f"{GITLAB}/acme/anvil.git",
        f"{GITLAB}/acme/a%20nvil",
        "HTTPS://GIT.example.org:443/gitlab/acme/anvil",
    ],
)
def test_a_repository_of_the_forge_is_below_its_address(url: str) -> None:
    assert is_below(GITLAB, url)


@pytest.mark.parametrize(
    "url",
    [
        GITLAB,
        f"{GITLAB}/",
        "https://git.example.org/gitlab-evil/acme/anvil",
        "https://git.example.org/gitlabacme/anvil",
        "https://git.example.org/GitLab/acme/anvil",
        "https://git.example.org/acme/anvil",
        "https://git.example.org//gitlab-evil/gitlab/anvil",
        f"{GITLAB}/../evil/anvil",
        f"{GITLAB}/%2e%2e/evil/anvil",
        f"{GITLAB}/.%2E/evil/anvil",
        f"{GITLAB}/..%2fevil/anvil",
        f"{GITLAB}/%2e/anvil",
        "https://git.example.org.evil.example/gitlab/acme/anvil",
        "https://git.example.org@evil.example/gitlab/acme/anvil",
        "https://git.example.org:443@evil.example/gitlab/acme/anvil",
        "https://evil.example/git.example.org/gitlab/acme/anvil",
        "https://evil.example#@git.example.org/gitlab/acme/anvil",
        "https://evil.example?@git.example.org/gitlab/acme/anvil",
        "https://evil.example\\@git.example.org/gitlab/acme/anvil",
        "https://git.example.org\\.evil.example/gitlab/acme/anvil",
        "https://git.example.org:8443/gitlab/acme/anvil",
        "https://git.example.org:80/gitlab/acme/anvil",
        "http://git.example.org/gitlab/acme/anvil",
        "http://git.example.org:443/gitlab/acme/anvil",
        "https://git.example.or\u0261/gitlab/acme/anvil",
        "https://git\uff0eexample.org/gitlab/acme/anvil",
        "file:///gitlab/acme/anvil",
        "/gitlab/acme/anvil",
        "",
    ],
)
def test_any_other_url_is_not_below_the_address_of_the_forge(url: str) -> None:
    assert not is_below(GITLAB, url)
