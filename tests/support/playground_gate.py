"""A gate in front of a playground, at which chosen requests wait."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from starlette.types import ASGIApp, Receive, Scope, Send

from tests.support.playground_github import Playground


@dataclass(slots=True)
class Gate:
    """While it is closed, the HTTP requests that it `holds` arrive but get no answer."""

    holds: Callable[[Scope], bool]
    only_first: bool = False  # it holds only the first of these requests
    closed: threading.Event = field(default_factory=threading.Event)
    waits: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def playground(self, folder: Path) -> Iterator[Playground]:
        """Run a playground behind this gate."""
        with Playground(folder, wrap=self._around) as running:
            try:
                yield running
            finally:
                self.closed.clear()

    def _around(self, app: ASGIApp) -> ASGIApp:
        async def gated(scope: Scope, receive: Receive, send: Send) -> None:
            passes = self.only_first and self.waits.is_set()
            if scope["type"] == "http" and self.holds(scope) and not passes:
                await self._opened()
            await app(scope, receive, send)

        return gated

    async def _opened(self) -> None:
        while self.closed.is_set():
            self.waits.set()
            await asyncio.sleep(0.05)
