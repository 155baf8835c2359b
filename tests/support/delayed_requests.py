"""Requests to a playground whose answers a test can delay."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from starlette.types import ASGIApp, Receive, Scope, Send

from tests.support.playground_github import Playground


@dataclass(slots=True)
class DelayedRequests:
    """While `delaying` is set, the `chosen` HTTP requests arrive but get no answer."""

    chosen: Callable[[Scope], bool]
    only_first: bool = False  # delay only the first of these requests
    delaying: threading.Event = field(default_factory=threading.Event)
    arrived: threading.Event = field(default_factory=threading.Event)  # set by the first delayed one

    @contextmanager
    def playground(self, folder: Path) -> Iterator[Playground]:
        """Run a playground whose chosen requests can be delayed."""
        with Playground(folder, wrap=self._around) as running:
            try:
                yield running
            finally:
                self.delaying.clear()

    def _around(self, app: ASGIApp) -> ASGIApp:
        async def delaying_app(scope: Scope, receive: Receive, send: Send) -> None:
            passes = self.only_first and self.arrived.is_set()
            if scope["type"] == "http" and self.chosen(scope) and not passes:
                await self._released()
            await app(scope, receive, send)

        return delaying_app

    async def _released(self) -> None:
        while self.delaying.is_set():
            self.arrived.set()
            await asyncio.sleep(0.05)
