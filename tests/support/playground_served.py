"""A playground served over real HTTP from a thread of the test's process, so that a test can wrap it.

Both forges are served at once. The people who use them are in playground_github.py and
playground_gitlab.py.
"""

import socket
import threading
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from starlette.types import ASGIApp

from bot.playground.app import create
from tests.support import http

Wrap = Callable[[ASGIApp], ASGIApp]


class Served:
    """A playground that runs until `close`. `wrap` may put an ASGI application around it."""

    def __init__(self, data: Path, wrap: Wrap) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        self.ground = create(data, base_url=self.url)
        config = uvicorn.Config(
            wrap(self.ground.app), log_level="warning", lifespan="off", timeout_graceful_shutdown=1
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, args=([self._listening],), daemon=True)
        self._thread.start()
        self._client = http.client(follow_redirects=True)

    def close(self) -> None:
        self._client.close()
        self._server.should_exit = True
        self._thread.join(10)
        self._listening.close()

    def call(self, method: str, path: str, body: Any, *, token: str) -> httpx.Response:
        """Send any request with this token."""
        headers = {"Authorization": f"Bearer {token}"}
        return self._client.request(method, self.url + path.rstrip("/"), json=body, headers=headers)


def successful_json(answer: httpx.Response) -> Any:
    """Return the JSON of a response. Fail unless its status is a success."""
    asked = f"{answer.request.method} {answer.request.url.raw_path.decode()}"
    assert answer.is_success, f"{asked}: {answer.status_code} {answer.text}"
    return answer.json() if answer.content else None


def all_pages(ask: Callable[[str, str], Any], path: str) -> list[Any]:
    """Return the rows of all pages of a list: new rows may push others to a later page."""
    rows: list[Any] = []
    for number in count(1):
        page = ask("GET", f"{path}?per_page=100&page={number}")
        rows += page
        if len(page) < 100:
            break
    return rows
