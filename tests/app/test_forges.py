"""The table of forges: no other module contains the name of a forge, and a third forge needs one row."""

import ast
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import AfterValidator
from starlette.applications import Starlette

from bot.app import configured_forges
from bot.app.build import build_runtime
from bot.app.preflight import require_forge
from bot.app.settings.forges import ForgeSettings
from bot.app.settings.sections import AgentSettings, DataSettings, RepositoriesSettings, Site, site
from bot.app.settings.settings import Settings
from bot.app.worker import build_answer, build_sender
from bot.domain.errors import BadSettings
from bot.domain.nudges import Nudges
from bot.domain.thread import Actor, Kind, Thread
from bot.forges.github.events import EVENTS
from bot.forges.github.verifier import github_verifier
from bot.forges.kind import ForgeAccess, ForgeKind
from bot.forges.registry import FORGES
from bot.forges.verifier import WebhookVerifier
from bot.reports import sender
from bot.reports.command_syntax import reference
from bot.store import threads
from bot.web.receiver import routes
from bot.web.recorder import Intake
from tests.architecture.tree import python, working_tree
from tests.support import http
from tests.support.asgi_server import listening
from tests.support.fakes import FakeForge
from tests.support.webhook_receiver import SECRET, signature

# Modules outside the table that may hold the name of a forge in a string or an identifier.
EXCEPTIONS = {
    "bot/agents/command_line.py": "the path of a file that an agent reads",
    "bot/app/settings/forges.py": "the sections of the settings",
    "bot/app/settings/settings.py": "the sections' names, which are settings keys",
    "bot/app/log.py": "the name of a library's logger",
    "bot/reports/phrases.py": "the folder of workflow files, which only one forge refuses",
    "bot/runs/refused_workflows.py": "the same folder",
    "bot/sandbox/export/protected_paths.py": "paths in repositories, protected on every forge",
    "bot/text/redaction.py": "shapes of tokens, redacted whichever forge is configured",
}


def test_no_module_outside_the_table_knows_a_forge_by_name() -> None:
    offenders = {
        path
        for path, module in python(working_tree())
        if not path.startswith(("bot/forges/", "bot/playground/"))
        for name in _names(module)
        if "github" in name.lower() or "gitlab" in name.lower()
    }

    assert offenders == EXCEPTIONS.keys()


def _names(module: ast.Module) -> Iterator[str]:
    """Yield every identifier, and every string that is not a docstring."""
    docstrings = {id(node.value) for node in ast.walk(module) if isinstance(node, ast.Expr)}
    for node in ast.walk(module):
        match node:
            case ast.Constant(value=str() as text) if id(node) not in docstrings:
                yield text
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.alias(name=name) | ast.arg(arg=name):
                yield name
            case ast.ImportFrom(module=str() as name):
                yield name


class ThirdSettings(ForgeSettings):
    url: Annotated[Site, AfterValidator(site)] = "https://forgejo.example.org"


class SettingsWithAThird(Settings):
    forgejo: ThirdSettings = ThirdSettings()


@pytest.fixture
def forge(monkeypatch: pytest.MonkeyPatch) -> FakeForge:
    """Add a third forge, which exists in memory only, to the table."""
    forge = FakeForge(name="forgejo", writers={"ann"})

    def webhooks(access: ForgeAccess) -> tuple[WebhookVerifier, frozenset[str]]:
        return replace(github_verifier(access.webhook_secrets), forge="forgejo"), EVENTS

    kind = ForgeKind(
        name="forgejo",
        adapter=lambda _access, _read_token: forge,
        webhooks=webhooks,
        web_address=lambda access: access.url,
        change_sign="^",
        reserved_commands=frozenset({"/resume"}),
        noreply="{login}@noreply.{host}",
    )
    monkeypatch.setitem(FORGES, "forgejo", kind)
    return forge


def settings_in(folder: Path, **third: Any) -> Settings:
    return SettingsWithAThird(
        data=DataSettings(path=folder),
        agents={"demo": AgentSettings(command=["true"])},
        repositories=RepositoriesSettings(allow=["acme"]),
        forgejo=ThirdSettings.model_validate({"token": "a-token", "webhook_secrets": [SECRET], **third}),
    )


def a_delivery(words: str) -> bytes:
    ann = {"id": 7, "login": "ann", "type": "User"}
    return json.dumps(
        {
            "action": "created",
            "sender": ann,
            "repository": {"id": 1, "full_name": "acme/anvil"},
            "issue": {"number": 12, "title": "Tidy", "user": ann, "created_at": "2026-11-02T10:00:00Z"},
            "comment": {"id": 5, "body": words, "user": ann, "created_at": "2026-11-02T10:00:00Z"},
        }
    ).encode()


def test_a_third_forge_needs_only_a_row_in_the_table_and_a_section_of_settings(
    tmp_path: Path, forge: FakeForge
) -> None:
    settings, answered = settings_in(tmp_path), list[tuple[str, str]]()
    nudges = Nudges(
        answer=lambda name, delivery: answered.append((name, delivery)),
        work=lambda: None,
        report=lambda _thread: None,
    )
    body = a_delivery("/help")
    headers = {
        "content-type": "application/json",
        "x-github-delivery": "d-1",
        "x-github-event": "issue_comment",
        "x-hub-signature-256": signature(body),
    }

    require_forge(settings)
    with build_runtime(settings, public_url="https://bot.example.org", nudges=nudges) as runtime:
        intake = Intake(runtime.ledger, nudges.answer)
        intake.start()
        with listening(Starlette(routes=routes(configured_forges.receivers(settings), intake, print))) as (
            host,
            port,
        ):
            url = f"http://{host}:{port}/webhooks/forgejo"
            status = http.post(url, content=body, headers=headers).status_code
        intake.stop()
        build_answer(runtime, settings)(*answered[0])
        with runtime.ledger.read() as tx:
            thread = threads.get(tx, "forgejo:1:issue:12")
        sender.send(build_sender(runtime), thread.key)

    (comment,) = forge.bodies(thread)
    assert (status, answered) == (202, [("forgejo", "d-1")])
    assert "`/forgehand resume" in comment
    assert "`/approve" in comment
    assert forge.reactions == [(thread.key, 5)]


def test_a_third_forge_has_its_own_form_of_references_and_addresses(forge: FakeForge) -> None:
    thread = Thread(
        forge=forge.name,
        repository_id=1,
        repository_url="https://forgejo.example.org/acme/anvil",
        path="acme/anvil",
        kind=Kind.CHANGE,
        number=12,
    )

    assert reference(thread) == "^12"
    assert FORGES[forge.name].noreply_address(Actor(id=7, login="ann"), "x.org") == "ann@noreply.x.org"


def test_the_credentials_of_a_third_forge_are_secrets_and_its_addresses_are_known(
    tmp_path: Path, forge: FakeForge
) -> None:
    settings = settings_in(tmp_path, bot_name="smith")

    assert {"a-token", SECRET} <= {*settings.secrets}
    assert configured_forges.bot_names(settings)[forge.name] == "smith"
    assert "https://forgejo.example.org" in configured_forges.web_addresses(settings)


def test_a_third_forge_with_webhook_secrets_but_no_token_is_refused(tmp_path: Path, forge: FakeForge) -> None:
    with pytest.raises(BadSettings, match=r"\[forgejo\] token is empty.*FORGEHAND_FORGEJO__TOKEN"):
        require_forge(settings_in(tmp_path, token=""))
    assert forge.comments == {}
