"""The address and the full name of the repository of an event."""

import json

import pytest

from bot.forges.github.events import parse
from tests.forges.github.real_payloads import SAYS, read, real
from tests.forges.odd_values import NO_FULL_NAMES, OTHER_ADDRESSES


@pytest.mark.parametrize("url", [*OTHER_ADDRESSES, None, 7])
@pytest.mark.parametrize("field", ["html_url", "clone_url", "git_url", "ssh_url", "url"])
def test_the_address_of_a_repository_comes_from_the_settings_and_not_from_the_delivery(
    url: object, field: str
) -> None:
    for event, action in sorted(SAYS):
        payload = real(event, action)
        payload["repository"][field] = url

        (said,) = parse(event, json.dumps(payload).encode(), "http://git.example.org:8080/hub")

        assert said.thread.repository_url == "http://git.example.org:8080/hub/Codertocat/Hello-World"


@pytest.mark.parametrize("name", NO_FULL_NAMES)
def test_the_field_of_an_invalid_full_name_is_named_in_the_error(name: object) -> None:
    for event, action in sorted(SAYS):
        payload = real(event, action)
        payload["repository"]["full_name"] = name

        with pytest.raises(ValueError, match=r"repository\.full_name"):
            read(event, payload)


@pytest.mark.parametrize("name", ["acme/.github", "a_short/x.y-z_", "0/-", "acme/a..b", "acme/CON"])
def test_an_unusual_full_name_is_read(name: str) -> None:
    payload = real("issue_comment", "created")
    payload["repository"]["full_name"] = name

    thread = read("issue_comment", payload).thread

    assert (thread.path, thread.repository_url) == (name, f"https://github.com/{name}")
