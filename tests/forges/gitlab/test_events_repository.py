"""The address and the full name of the repository of an event."""

import pytest

from bot.forges.gitlab import events
from tests.forges.gitlab.hook_payloads import (
    ANN,
    API,
    WEB,
    Payload,
    changes_hook,
    note_on_change,
    note_on_issue,
    parse,
    raw,
    read,
)
from tests.forges.odd_values import NO_FULL_NAMES, OTHER_ADDRESSES


def every_kind() -> list[tuple[str, Payload]]:
    """Return a delivery of each kind that the bot reads."""
    act = {"labels": {"previous": [], "current": [API]}, "assignees": {"previous": [], "current": [ANN]}}
    return [
        ("Note Hook", note_on_issue()),
        ("Confidential Note Hook", note_on_change()),
        ("Issue Hook", changes_hook("issue", act)),
        ("Confidential Issue Hook", changes_hook("work_item", act)),
        ("Merge Request Hook", changes_hook("merge_request", act)),
    ]


@pytest.mark.parametrize("url", [*OTHER_ADDRESSES, None, 7])
@pytest.mark.parametrize(
    "field", ["web_url", "git_http_url", "http_url", "git_ssh_url", "ssh_url", "homepage", "url"]
)
def test_the_address_of_a_repository_comes_from_the_settings_and_not_from_the_delivery(
    url: object, field: str
) -> None:
    for event, payload in every_kind():
        payload["project"][field] = url
        payload["repository"] = {"url": url, "homepage": url}

        for said in events.parse(event, raw(payload), "https://git.example.org:8443/gitlab"):
            address = said.thread.repository_url
            assert address == "https://git.example.org:8443/gitlab/gitlab-org/gitlab-test"


@pytest.mark.parametrize("name", [*NO_FULL_NAMES, "acme/-/anvil", "acme/-", "-/anvil", "/".join(["a"] * 22)])
def test_the_field_of_an_invalid_full_name_is_named_in_the_error(name: object) -> None:
    for event, payload in every_kind():
        payload["project"]["path_with_namespace"] = name

        with pytest.raises(ValueError, match=r"project\.path_with_namespace"):
            parse(event, raw(payload))


@pytest.mark.parametrize(
    "name",
    [
        "acme/deep/er/anvil",
        "/".join(["a"] * 21),
        "_acme.x/-anvil_-.y",
        "acme/.profile",
        "группа/проект",
        "équipe/café",
        "e\u0301quipe/हिन्दी",
        "日本/鉄床",
    ],
)
def test_an_unusual_full_name_is_read(name: str) -> None:
    payload = note_on_issue()
    payload["project"]["path_with_namespace"] = name

    thread = read("Note Hook", payload).thread

    assert (thread.path, thread.repository_url) == (name, f"{WEB}/{name}")
