"""Adapters of both forges, each with a playground and with a server that sends scripted responses."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from starlette.types import ASGIApp
from urllib3 import Retry

from bot.domain.thread import Thread
from bot.forges.forge import Forge
from bot.forges.github.adapter import GitHub
from bot.forges.gitlab.adapter import GitLab
from tests.forges.adapter_calls import anvil
from tests.oracles.record import Recorder, check
from tests.support.playground_faults import Faults
from tests.support.playground_gitlab import PLAYGROUNDS, AnyPlayground
from tests.support.scripted_server import Server

ADAPTERS: dict[str, type[GitHub | GitLab]] = {"github": GitHub, "gitlab": GitLab}


@pytest.fixture(params=list(ADAPTERS))
def forge_name(request: pytest.FixtureRequest) -> str:
    """Run a test once for each forge. The folder of one forge overrides this fixture."""
    return str(request.param)


@pytest.fixture(autouse=True)
def no_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    """Repeat a failed read at once. By default urllib3 waits a second before the last repetition."""
    monkeypatch.setattr(Retry, "get_backoff_time", lambda _: 0.0)


@pytest.fixture
def wrapped() -> list[Faults]:
    """Return the list of the fault injectors around the playground, empty at first."""
    return []


@pytest.fixture
def playground(forge_name: str, tmp_path: Path, wrapped: list[Faults]) -> Iterator[AnyPlayground]:
    """Start a playground; afterwards check the requests to GitHub's against GitHub's own description."""
    recorders: list[Recorder] = []

    def wrap(app: ASGIApp) -> ASGIApp:
        if forge_name == "github":
            recorders.append(app := Recorder(app))
        wrapped.append(Faults(app))
        return wrapped[-1]

    with PLAYGROUNDS[forge_name](tmp_path / "playground", wrap=wrap) as playground:
        yield playground
        for exchange in [each for recorder in recorders for each in recorder.exchanges]:
            if "/repositories/" in exchange.path:
                check(exchange)


@pytest.fixture
def faults(playground: AnyPlayground, wrapped: list[Faults]) -> Faults:
    return wrapped[-1]


@pytest.fixture
def forge(playground: AnyPlayground) -> Forge:
    return ADAPTERS[playground.forge](url=playground.api_url, token=playground.token)


@pytest.fixture
def thread(playground: AnyPlayground) -> Thread:
    """Return the first issue of every playground."""
    begins = anvil(playground.forge)
    return replace(begins, repository_id=playground.repository_id, repository_url=playground.html_url)


@pytest.fixture
def server() -> Iterator[Server]:
    with Server.running() as server:
        yield server


@pytest.fixture
def scripted(forge_name: str, server: Server) -> Forge:
    return ADAPTERS[forge_name](url=server.url, token="token-x")
