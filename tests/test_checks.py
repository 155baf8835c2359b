"""What is refused before anything starts: in words that say what to do."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bot.agents.claude import Claude
from bot.checks import check
from bot.errors import BadSettings
from bot.queue import Nudges
from bot.sections import Data, Sandbox
from bot.settings import Settings
from bot.store.ledger import Ledger
from bot.worker import open_house
from tests.fakes import FakeForge
from tests.houses import a_house
from tests.scripted_server import Says, Server
from tests.workshop import Workshop, in_a_workshop


def test_an_agent_without_its_models_is_not_set_to_work(ledger: Ledger) -> None:
    house = replace(a_house(ledger, FakeForge()), agents={"helper": Claude(())})

    with pytest.raises(
        BadSettings,
        match=r"(?s)\[agents\] helper .* \[models\.anthropic\].* FORGEHAND_MODELS__ANTHROPIC__KEY_FILE",
    ):
        check(house)


@pytest.fixture
def workshop(tmp_path: Path) -> Iterator[Workshop]:
    with in_a_workshop(tmp_path) as workshop:
        yield workshop


def test_a_folder_that_the_engine_sees_as_we_do_is_taken(workshop: Workshop) -> None:
    check(workshop.house)

    assert workshop.containers() == []


def test_a_folder_that_the_engine_has_not_at_this_path_is_refused(workshop: Workshop, tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match=r"given a file of .*elsewhere: .*must have the same path in there"):
        check(replace(workshop.house, data=tmp_path / "elsewhere"))

    assert workshop.containers() == []


def test_an_engine_without_limits_is_taken_where_the_settings_allow_it(tmp_path: Path) -> None:
    nudges = Nudges(answer=lambda *_: None, work=lambda: None, report=lambda _: None)
    nothing = {"Runtimes": {}, "SecurityOptions": ["name=rootless"], "CgroupVersion": "1"}
    with Server.running() as server:
        server.script += [Says(200, {"ApiVersion": "1.41"}), Says(200, nothing)]
        box = Sandbox(engine=f"tcp://127.0.0.1:{server.server_port}", allow_unlimited=True)
        settings = Settings(data=Data(path=tmp_path / "data"), sandbox=box)

        with open_house(settings, public_url="https://bot.example.org", nudges=nudges) as house:
            assert house.engine.check() == ["memory", "swap", "pids", "cpus"]
