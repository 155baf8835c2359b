"""A kind of agents that exists only in this test: its row in the registry is all that the bot needs.

No other part of the bot knows the kind.
"""

import json
import shlex
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import typer

from bot.agents.agent import AgentKind, AgentReport, KnownProvider, OutputLine, OutputParser, Start
from bot.agents.command_line import with_prompt
from bot.agents.registry import KINDS
from bot.app.cli.images import build_arguments
from bot.app.preflight import check
from bot.app.settings.gateway import providers
from bot.app.settings.settings import Settings, load
from bot.domain.errors import BadSettings
from bot.domain.outcomes import Outcome
from bot.runs.execute import execute
from bot.runs.runtime import Runtime
from bot.store import tasks
from bot.web.run_log import excerpt
from tests.gateway.provider import ScriptedProvider, json_response, running
from tests.support.runtimes import with_gateway
from tests.support.worker_bench import Workshop, in_a_workshop

# The parrot sends one request to its model, then changes a file and its own instructions.
ASKS = """
import json, os, urllib.request
url = os.environ["PARROT_URL"] + "/v1/messages"
headers = {"authorization": "Bearer " + os.environ["PARROT_TOKEN"]}
body = json.dumps({"model": os.environ["FORGEHAND_MODEL"]}).encode()
with urllib.request.urlopen(urllib.request.Request(url, body, headers)) as response:
    print(json.dumps({"squawk": json.load(response)["word"], "session": "p-1"}))
"""
SCRIPT = f"""
head -n 3 /task/prompt.md | tail -n 1
python3 -c {shlex.quote(ASKS)}
echo "Repeat." > PARROT.md
echo "tidy" > notes
echo '{{"done": "Pretty."}}'
"""


@dataclass(frozen=True, slots=True)
class Parrot:
    """The agent. A new kind needs one file with the code from here to ROW."""

    command: Sequence[str]
    model: str = ""
    resumes_after_limit: bool = False
    provider: str = "aviary"
    reports_end: bool = True

    @property
    def program(self) -> str:
        return "sh"

    def argv(self, start: Start) -> list[str]:
        return with_prompt(["sh", "-ec", SCRIPT])

    def environment(self, start: Start) -> Mapping[str, str]:
        assert start.endpoint is not None
        return {
            "PARROT_URL": f"{start.endpoint.url}/{self.provider}",
            "PARROT_TOKEN": start.endpoint.token,
        }

    def session_file(self, session: str) -> str:
        return f".parrot/{session}"

    def output_parser(self) -> OutputParser:
        return ParrotParser()


class ParrotParser:
    def parse(self, line: bytes) -> OutputLine:
        if not line.startswith(b"{"):
            return OutputLine(text=line.decode())
        event = json.loads(line)
        if "done" in event:
            return OutputLine(text="Done.", report=AgentReport(outcome=None, text=event["done"]))
        return OutputLine(text=event["squawk"].upper(), session=event["session"])


ROW = AgentKind(
    create=Parrot,
    provider=KnownProvider(
        name="aviary", url="https://aviary.example", auth="bearer", paths=("/v1/messages",)
    ),
    instruction_files=("PARROT.md",),
    version_argument="PARROT_VERSION",
)


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(KINDS, "parrot", ROW)


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Workshop]:
    with in_a_workshop(tmp_path) as shop:
        yield shop


@pytest.fixture
def provider() -> Iterator[ScriptedProvider]:
    with running() as provider:
        yield provider


def configured(folder: Path, url: str = "") -> Settings:
    """Load settings with a parrot; `url` replaces its provider's address."""
    file = folder / "parrot.toml"
    address = f'url = "{url}"\n' if url else ""
    file.write_text(
        '[agents.polly]\nkind = "parrot"\nmodel = "grey"\n'
        f'[models.aviary]\nkey = "seed"\n{address}prices = {{ "*" = {{ input = 1, output = 1 }} }}\n'
    )
    return load(file)


def with_parrot(shop: Workshop, settings: Settings) -> Runtime:
    """Return a runtime with these settings; the agent has the name that tasks of the workshop use."""
    runtime = with_gateway(shop.runtime, providers=providers(settings.models))
    return replace(runtime, agents={"shell": settings.agents["polly"].build()})


def test_the_provider_of_a_new_kind_needs_only_a_key(tmp_path: Path) -> None:
    aviary = providers(configured(tmp_path).models)["aviary"]

    assert (aviary.url, aviary.paths) == ("https://aviary.example", ["/v1/messages"])
    assert aviary.credential() == ("authorization", "Bearer seed")


def test_the_bot_does_not_start_without_the_provider_of_an_agent_of_a_new_kind(
    shop: Workshop, tmp_path: Path
) -> None:
    runtime = with_parrot(shop, configured(tmp_path))

    with pytest.raises(BadSettings, match=r"(?s)needs the models of \[models\.aviary\].*__AVIARY__KEY_FILE"):
        check(replace(runtime, gateway=shop.runtime.gateway))


def test_the_version_of_a_new_kind_in_the_image_can_be_chosen() -> None:
    assert build_arguments(["parrot=7", "claude="]) == {"PARROT_VERSION": "7", "CLAUDE_CODE": ""}
    with pytest.raises(typer.BadParameter, match="kinds: claude, parrot"):
        build_arguments(["command=1"])


def test_an_agent_of_a_new_kind_uses_the_gateway_and_its_instruction_files_are_protected(
    shop: Workshop, provider: ScriptedProvider, tmp_path: Path
) -> None:
    provider.script.append(json_response({"word": "hello", "usage": {"input_tokens": 3, "output_tokens": 2}}))
    runtime = with_parrot(shop, configured(tmp_path, provider.url))
    check(runtime)
    run = shop.claimed()

    execute(runtime, run, threading.Event())

    ended = shop.now(run)
    assert (ended.outcome, ended.reason) == (Outcome.HELD, "`PARROT.md`")
    assert ended.session == "p-1"
    [request] = provider.got
    assert (request.path, request.header("authorization")) == ("/v1/messages", "Bearer seed")
    assert json.loads(request.body) == {"model": "grey"}
    shown = excerpt(runtime.ledger, run.id, runtime.secrets, ParrotParser())
    assert shown == "tidy the parser\nHELLO\nDone.\n"


def test_changes_to_instruction_files_of_a_new_kind_are_not_pushed_if_the_commit_is_pinned(
    shop: Workshop, provider: ScriptedProvider, tmp_path: Path
) -> None:
    provider.script.append(json_response({"word": "hello"}))
    runtime = with_parrot(shop, configured(tmp_path, provider.url))
    run = shop.claimed()
    with runtime.ledger.write() as tx:
        tasks.write(tx, run.task, pinned=shop.desk.git("rev-parse", "main"))

    execute(runtime, run, threading.Event())

    assert shop.now(run).outcome is Outcome.PUSHED, shop.printed(run).decode()
    [branch] = shop.branches()
    assert shop.desk.git("ls-tree", "--name-only", branch).split() == ["README.md", "notes"]
