"""Refusals before anything starts, each with a remedy."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bot.agents.agent import Agent
from bot.agents.claude import Claude
from bot.agents.command_line import CommandLineAgent
from bot.app.build import build_runtime
from bot.app.preflight import check, hosts_of_sets, make_ready
from bot.app.settings.gateway import ModelSettings, providers
from bot.app.settings.limits import SandboxSettings
from bot.app.settings.sections import DataSettings
from bot.app.settings.settings import Settings
from bot.domain.errors import BadSettings
from bot.domain.nudges import Nudges
from bot.gateway.budget import Budget, UsageLimit
from bot.store.data_folder import DataFolder
from bot.store.ledger import Ledger
from tests.support.derived_image import image_with
from tests.support.fakes import FakeForge
from tests.support.runtimes import a_runtime, with_gateway
from tests.support.scripted_server import Response, Server
from tests.support.worker_bench import Workshop, in_a_workshop

NO_FILTER = "RUN mv /usr/bin/perl /usr/bin/real-perl\nCOPY perl /usr/bin/perl"


def test_an_agent_without_its_models_is_refused(ledger: Ledger) -> None:
    runtime = replace(a_runtime(ledger, FakeForge()), agents={"helper": Claude(())})

    with pytest.raises(
        BadSettings,
        match=r"(?s)\[agents\] helper .* \[models\.anthropic\].* FORGEHAND_MODELS__ANTHROPIC__KEY_FILE",
    ):
        check(runtime)


@pytest.mark.parametrize("budget", [Budget(per_run=UsageLimit(usd=5)), Budget(per_day=UsageLimit(usd=5))])
def test_a_budget_in_dollars_without_prices_is_refused(ledger: Ledger, budget: Budget) -> None:
    settings = Settings(models={"ours": ModelSettings(url="http://10.0.0.5")})
    runtime = a_runtime(ledger, FakeForge())

    with pytest.raises(BadSettings, match=r"(?s)\[models\.ours\] has no prices.*  prices = "):
        check(with_gateway(runtime, providers=providers(settings.models), budget=budget))


@pytest.fixture
def workshop(tmp_path: Path) -> Iterator[Workshop]:
    with in_a_workshop(tmp_path) as workshop:
        yield workshop


def test_a_folder_that_the_engine_has_at_the_same_path_is_accepted(workshop: Workshop) -> None:
    check(workshop.runtime)

    assert workshop.containers() == []


def test_a_folder_that_the_engine_does_not_have_at_this_path_is_refused(
    workshop: Workshop, tmp_path: Path
) -> None:
    with pytest.raises(BadSettings, match=r"given a file of .*elsewhere: .*must have the same path in there"):
        check(replace(workshop.runtime, data=DataFolder(tmp_path / "elsewhere")))

    assert workshop.containers() == []


def test_the_hosts_of_a_set_are_those_in_the_configuration_of_the_image(workshop: Workshop) -> None:
    npm = "#!/bin/sh\necho https://npm.example.org/\necho https://10.0.0.5/ >&2"
    with image_with(workshop.runtime.image, "COPY npm /usr/local/bin/", {"npm": npm}) as image:
        runtime = replace(workshop.runtime, image=image)

        assert hosts_of_sets(runtime, ["npm"]) == ["npm.example.org"]
        assert hosts_of_sets(runtime, []) == []

    assert workshop.containers() == []


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        pytest.param(
            "echo no; exit 3",
            r"could not be asked in the image .* ended with status 3",
            marks=pytest.mark.long,
        ),
        ("echo no >&2; exit 3", r"could not be asked in the image \S+: no"),
        ("echo https://10.0.0.5:4873/", r"npm in the image \S+ is set to fetch from no host with a name"),
    ],
)
def test_a_set_with_unknown_hosts_is_refused(workshop: Workshop, said: str, sentence: str) -> None:
    with (
        image_with(
            workshop.runtime.image, "COPY npm /usr/local/bin/", {"npm": f"#!/bin/sh\n{said}"}
        ) as image,
        pytest.raises(BadSettings, match=sentence + r".* or name the hosts under \[network\] allow"),
    ):
        hosts_of_sets(replace(workshop.runtime, image=image), ["npm"])

    assert workshop.containers() == []


def test_a_set_without_its_client_in_the_image_is_refused(workshop: Workshop) -> None:
    with pytest.raises(BadSettings, match=r"\[network\] sets has npm, go, .*npm: not found"):
        hosts_of_sets(workshop.runtime, ["npm", "go"])


@pytest.mark.parametrize("how", ["RUN rm /usr/bin/perl", NO_FILTER], ids=["no perl", "no filter"])
def test_an_image_that_cannot_limit_its_containers_is_refused(workshop: Workshop, how: str) -> None:
    launches = '#!/bin/sh\n[ $# = 2 ] || { shift 4; exec "$@"; }\nexec /usr/bin/real-perl "$@"'
    with (
        image_with(workshop.runtime.image, how, {"perl": launches}) as image,
        pytest.raises(
            BadSettings, match=rf"image {image} cannot limit .*need /usr/bin/perl.*forgehand images build"
        ),
    ):
        check(replace(workshop.runtime, tools_image=image))


def test_an_image_without_the_program_of_an_agent_is_refused(workshop: Workshop) -> None:
    agents: dict[str, Agent] = {
        "claude": Claude(()),
        "own": CommandLineAgent(["no-such-agent", "--quiet"]),
        "sh": CommandLineAgent(["sh"]),
    }
    providers_there = providers({"anthropic": ModelSettings(url="http://10.0.0.5")})
    runtime = with_gateway(workshop.runtime, providers=providers_there)

    with pytest.raises(BadSettings, match=r"has no claude and no no-such-agent\. .*`forgehand images build`"):
        make_ready(replace(runtime, agents=agents), [])

    assert workshop.containers() == []


def test_an_image_without_the_relay_is_refused_if_package_hosts_are_permitted(workshop: Workshop) -> None:
    with image_with(workshop.runtime.image, "ENV PATH=/usr/bin:/bin") as image:
        runtime = replace(workshop.runtime, image=image, agents={"sh": CommandLineAgent(["sh"])})
        assert make_ready(runtime, []) == runtime

        with pytest.raises(BadSettings, match=r"has no forgehand-relay\."):
            make_ready(runtime.reaching(["packages.example.org"]), [])
        with pytest.raises(BadSettings, match=r"has no forgehand-relay\."):
            make_ready(runtime, ["npm"])


def test_a_program_given_by_its_path_may_be_in_the_repository(workshop: Workshop) -> None:
    runtime = replace(workshop.runtime, agents={"own": CommandLineAgent(["tools/agent"])})

    assert make_ready(runtime, []) == runtime


def test_an_engine_without_limits_is_accepted_if_the_settings_allow_it(tmp_path: Path) -> None:
    nudges = Nudges(answer=lambda *_: None, work=lambda: None, report=lambda _: None)
    nothing = {"SecurityOptions": ["name=rootless"], "CgroupVersion": "1"}
    with Server.running() as server:
        server.script += [Response(200, {"ApiVersion": "1.41"}), Response(200, nothing)]
        box = SandboxSettings(engine=f"tcp://127.0.0.1:{server.server_port}", allow_unlimited=True)
        settings = Settings(data=DataSettings(path=tmp_path / "data"), sandbox=box)

        with build_runtime(settings, public_url="https://bot.example.org", nudges=nudges) as runtime:
            assert runtime.engine.check() == ["memory", "swap", "pids", "cpus"]
