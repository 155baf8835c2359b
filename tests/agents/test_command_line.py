"""The command line and the environment of an agent."""

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from bot.agents.command_line import CommandLineAgent
from bot.agents.environment import environment
from bot.gateway.endpoint import GatewayEndpoint
from tests.agents.starts import START


@pytest.mark.waits
def test_the_prompt_is_opened_inside_the_container_and_arguments_are_unchanged(tmp_path: Path) -> None:
    prompt = tmp_path / "prompt.md"
    prompt.write_text("tidy up")
    argv = [
        word.replace("/task/prompt.md", str(prompt))
        for word in CommandLineAgent(["sh", "-c", 'cat; echo " $1"', "sh", "a b$HOME"]).argv(START)
    ]

    assert subprocess.run(argv, capture_output=True, check=True).stdout == b"tidy up a b$HOME\n"


def test_the_environment_has_all_known_facts_and_omits_unknown_ones() -> None:
    first, second = environment(replace(START, base="")), environment(replace(START, resume=True))

    assert "FORGEHAND_RESUME" not in first
    assert "FORGEHAND_BASE" not in first
    assert second["FORGEHAND_RESUME"] == "1"
    assert {name: second[f"FORGEHAND_{name}"] for name in ("TASK", "RUN", "AGENT", "BASE", "BRANCH")} == {
        "TASK": "t1",
        "RUN": "t1-2",
        "AGENT": "demo",
        "BASE": "main",
        "BRANCH": "forgehand/1",
    }
    assert second["GIT_AUTHOR_NAME"] == "Forgehand"


def test_a_proxy_is_named_only_if_packages_are_permitted() -> None:
    endpoint = GatewayEndpoint(
        url="http://127.0.0.1:8787", token="t0ken", providers=["anthropic"], packages=False
    )
    closed = environment(replace(START, endpoint=endpoint))
    opened = environment(replace(START, endpoint=replace(endpoint, packages=True)))

    assert closed["FORGEHAND_GATEWAY"] == "http://127.0.0.1:8787"
    assert closed["FORGEHAND_TOKEN"] == "t0ken"
    assert not [name for name in closed if name.lower().endswith("_proxy")]
    assert opened["HTTPS_PROXY"] == opened["https_proxy"] == "http://forgehand:t0ken@127.0.0.1:8787"
    assert opened["NO_PROXY"] == "localhost,127.0.0.1,::1"
