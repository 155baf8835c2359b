"""The effect of each fault on a client."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support import http
from tests.support.playground_faults import Fault, Faults
from tests.support.playground_github import Playground


@pytest.fixture
def faulty(tmp_path: Path) -> Iterator[tuple[Playground, Faults]]:
    made: list[Faults] = []

    def wrap(app: Any) -> Faults:
        made.append(Faults(app))
        return made[0]

    with Playground(tmp_path, wrap=wrap) as playground:
        yield playground, made[0]


def post_comment(playground: Playground) -> httpx.Response:
    return playground.call("POST", "issues/1/comments", {"body": "x"})


@pytest.mark.parametrize(("fault", "written"), [(Fault.LOST_ANSWER, 1), (Fault.BAD_GATEWAY, 0)])
def test_a_response_is_lost_after_or_before_the_write(faulty: Any, fault: Fault, written: int) -> None:
    playground, faults = faulty
    faults.inject(fault, "POST", r"/issues/1/comments$")

    assert post_comment(playground).status_code == 502

    assert len(playground.comments(1)) == written
    assert post_comment(playground).status_code == 201
    assert faults.hit == ["POST /api/v3/repos/acme/anvil/issues/1/comments"]


def test_a_rate_limit_has_the_time_of_the_next_request(faulty: tuple[Playground, Faults]) -> None:
    playground, faults = faulty
    faults.inject(Fault.SECONDARY_LIMIT, "POST", "comments", seconds=7)

    answer = post_comment(playground)

    assert (answer.status_code, answer.headers["retry-after"]) == (403, "7")
    assert "secondary rate limit" in answer.json()["message"]


def test_the_connection_is_closed(faulty: tuple[Playground, Faults]) -> None:
    playground, faults = faulty
    faults.inject(Fault.DOWN, "POST", "comments")

    # The connection ends before the answer. If the request is still unread, it ends with a reset.
    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        post_comment(playground)

    assert post_comment(playground).status_code == 201


def test_a_response_is_delayed(faulty: tuple[Playground, Faults]) -> None:
    playground, faults = faulty
    faults.inject(Fault.SLOW, "POST", "comments", seconds=0.2)

    began = time.monotonic()
    assert post_comment(playground).status_code == 201

    assert time.monotonic() - began >= 0.2


def test_a_write_is_redirected(faulty: tuple[Playground, Faults]) -> None:
    playground, faults = faulty
    faults.inject(Fault.MOVED, "POST", "comments")

    url = f"{playground.api_url}/repos/acme/anvil/issues/1/comments"
    answer = http.post(url, json={"body": "x"}, headers={"Authorization": f"token {playground.token}"})

    assert (answer.status_code, answer.headers["location"]) == (
        307,
        "/api/v3/repos/acme/anvil/issues/1/comments",
    )
