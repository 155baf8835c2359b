"""A run with providers of models, and the requests of an agent in its sandbox."""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path

from bot.domain.task import Run, Task
from bot.domain.usage import Refusal, Used
from bot.gateway.budget import Budget
from bot.gateway.providers import Auth, Price, Provider
from bot.gateway.run_access import RunAccess
from bot.gateway.run_gateway import Gateway
from bot.gateway.socket_server import SOCKET
from bot.store import usage
from bot.store.shared_keys import run_token
from tests.gateway.provider import KEY, ScriptedProvider

LINK_KEY = b"k" * 32
MESSAGES = "/anthropic/v1/messages"
MESSAGE = b'{"model": "sonnet", "messages": []}'


@dataclass(frozen=True)
class Said:
    """A response."""

    status: int
    headers: dict[str, str]
    body: bytes


@dataclass
class Asker:
    """One run, its gateway, and an agent that sends requests."""

    gateway: Gateway
    run: Run
    task: Task
    provider: ScriptedProvider
    headers: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        self.headers = {"x-api-key": run_token(LINK_KEY, self.run.id)}

    @property
    def path(self) -> Path:
        return self.gateway.folder(self.run.id) / SOCKET

    @contextmanager
    def connected(self) -> Iterator[HTTPConnection]:
        with closing(HTTPConnection("gateway")) as connection:
            connection.sock = socket.socket(socket.AF_UNIX)
            connection.sock.settimeout(20)
            connection.sock.connect(str(self.path))
            yield connection

    @contextmanager
    def asking(
        self, path: str = MESSAGES, body: bytes = MESSAGE, method: str = "POST"
    ) -> Iterator[HTTPResponse]:
        """Send one request on its own connection, and yield the response when it begins."""
        with self.connected() as connection:
            connection.request(method, path, body=body, headers=self.headers)
            with connection.getresponse() as response:
                yield response

    def ask(self, path: str = MESSAGES, body: bytes = MESSAGE, method: str = "POST") -> Said:
        """Send one request as `asking` does, and return the whole response."""
        with self.asking(path, body, method) as response:
            return Said(response.status, dict(response.getheaders()), response.read())

    def save(self, access: RunAccess) -> None:
        with self.gateway.ledger.write() as tx:
            access.counter.save(tx)

    def used(self) -> list[Used]:
        with self.gateway.ledger.read() as tx:
            return usage.of_run(tx, self.run.id)

    def refused(self) -> list[Refusal]:
        with self.gateway.ledger.read() as tx:
            return usage.refused(tx, self.run.id)

    def within(self, budget: Budget) -> "Asker":
        return replace(self, gateway=replace(self.gateway, budget=budget))


def providers_at(provider: ScriptedProvider) -> dict[str, Provider]:
    anthropic = Provider(
        name="anthropic",
        url=provider.url,
        key=KEY,
        auth=Auth.X_API_KEY,
        paths=["/v1/messages"],
        models=["sonnet", "opus-*"],
        prices={"sonnet": Price(input=3, output=15, cache_read=0.3, cache_write=3.75)},
    )
    gemini = replace(
        anthropic, name="gemini", auth=Auth.X_GOOG_API_KEY, paths=["/v1beta/models/*:generateContent"]
    )
    openai = replace(anthropic, name="openai", auth=Auth.BEARER, paths=["/v1/*"], models=["*"])
    return {each.name: each for each in (anthropic, gemini, openai)}


def until(holds: Callable[[], object], seconds: float = 30.0) -> None:
    """Wait until another thread has made the condition true."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.005)
