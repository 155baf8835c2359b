"""A client of the pages of tasks."""

from collections.abc import Iterator

import httpx
import pytest

from bot.agents.claude import Claude
from bot.store.ledger import Ledger
from bot.web import pages
from bot.web.server import application
from tests.support import http
from tests.support.asgi_server import listening
from tests.support.fakes import FakeForge
from tests.web.failed_task import KEY, OPERATOR, SECRET


@pytest.fixture
def client(sqlite_ledger: Ledger) -> Iterator[httpx.Client]:
    viewer = pages.Viewer(
        ledger=sqlite_ledger,
        link_key=KEY,
        forges={"github": FakeForge()},
        secrets=[SECRET],
        agents={"claude": Claude(())},
        operator_token=OPERATOR,
    )
    with (
        listening(application(pages.routes(viewer))) as (host, port),
        http.client(base_url=f"http://{host}:{port}") as client,
    ):
        yield client
